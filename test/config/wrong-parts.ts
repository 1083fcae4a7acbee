import { SOURCE_KINDS } from '../../src/source/kinds.ts'

/*
  Parts of a pipeline, each wrong in one way, and to the letter what is said of it. The file is p.yaml.
*/

/** A pipeline with these lines as its source. */
export const source = (...lines: readonly string[]) =>
  `pipeline: plant\nsources:\n  pump-1:\n${lines.map(line => `    ${line}\n`).join('')}`
export const serial = 'serial: { path: /dev/ttyS0 }'
const job = (options: string) => `pipeline: plant\nbatch:\n  load: { ${options} }\n`
/** A pipeline with these options of its analyser. */
export const analyser = (options: string) => `pipeline: plant\nanalysers:\n  hot: { ${options} }\n`

/** What a name has to be. */
export const NAME_RULE = 'lower-case letters, digits and -, at most 63, beginning with a letter or digit'
const KINDS = SOURCE_KINDS.map(({ kind }) => kind).join(', ')

/** Something wrong in a file, and what has to be said of it: `FILE:LINE:COLUMN: message`, every one of them. */
export interface WrongPart {
  readonly what: string
  readonly text: string
  readonly said: readonly string[]
}

/** What is no YAML of ours. */
export const WRONG_TEXT: readonly WrongPart[] = [
  { what: 'a quote that is not closed', text: 'pipeline: "plant\n', said: ['p.yaml:2:1: is not YAML: Missing closing "quote'] },
  {
    what: 'lists in lists without end',
    text: `a: ${'['.repeat(70)}${']'.repeat(70)}\n`,
    said: ['p.yaml:1:67: is not YAML: nested more than 64 deep'],
  },
  { what: 'a single word', text: 'plant\n', said: ['p.yaml:1:1: has to be a mapping of keys to values'] },
  { what: 'nothing but a comment', text: '# to do\n', said: ['p.yaml:1:1: is empty'] },
  { what: 'bytes that are no text', text: 'pipeline: a\0b\n', said: ['p.yaml:1:1: is not text'] },
  {
    what: 'two documents',
    text: 'pipeline: a\n---\npipeline: b\n',
    said: ['p.yaml:2:1: is not YAML: a second document begins here (---): each needs a file of its own'],
  },
  {
    what: 'an alias of nothing',
    text: 'pipeline: *name\n',
    said: ['p.yaml:1:1: cannot be taken apart: Unresolved alias (the anchor must be set before the alias): name'],
  },
  {
    what: 'a source that holds itself',
    text: 'pipeline: plant\nsources: &all { b: *all }\n',
    said: [
      `p.yaml:2:17: unknown key "b" in b; known here: ${KINDS}, frame, decode, time, fields, steps, buffer`,
      `p.yaml:2:20: b needs to say what it reads: one of ${KINDS}`,
    ],
  },
  {
    what: 'lines that end as Windows ends them',
    text: 'pipeline: plant\r\nsuorces: {}\r\n',
    said: ['p.yaml:2:1: unknown key "suorces"; did you mean "sources"?'],
  },
  {
    what: 'a byte order mark',
    text: '\ufeffpipeline: plant\nsuorces: {}\n',
    said: ['p.yaml:2:1: unknown key "suorces"; did you mean "sources"?'],
  },
  {
    what: 'one source name twice',
    text: 'pipeline: plant\nsources:\n  a: { generator: {} }\n  a: { generator: {} }\n',
    said: ['p.yaml:4:3: is not YAML: Map keys must be unique'],
  },
]

export const WRONG_KEYS: readonly WrongPart[] = [
  { what: 'no name', text: 'sources: {}\n', said: ['p.yaml:1:1: "pipeline" is missing'] },
  {
    what: 'a key that resembles none',
    text: 'pipeline: plant\nconstructor: 1\n',
    said: [
      'p.yaml:2:1: unknown key "constructor"; known here: pipeline, topic, durability, sources, batch, retention, analysers, tests',
    ],
  },
  {
    what: 'a kind that resembles none',
    text: source('opcua: { url: broker }'),
    said: [
      `p.yaml:4:5: unknown key "opcua" in pump-1; known here: ${KINDS}, frame, decode, time, fields, steps, buffer`,
      `p.yaml:4:5: pump-1 needs to say what it reads: one of ${KINDS}`,
    ],
  },
  {
    what: 'misspelt framing',
    text: source(serial, 'frame: { delimter: "x" }'),
    said: [
      'p.yaml:5:12: frame needs exactly one of `delimiter`, `length`, `length_field`, `between`, `packets`, `silence`, `telegram`',
      'p.yaml:5:14: unknown key "delimter" in frame; did you mean "delimiter"?',
    ],
  },
  {
    what: 'a device without its profile',
    text: source('modbus: { tcp: "h:502" }'),
    said: ['p.yaml:4:5: "device" is missing'],
  },
  {
    what: 'a misspelt schedule',
    text: job('shedule: "0 2 * * *", run: [./load.sh]'),
    said: ['p.yaml:3:11: unknown key "shedule" in load; did you mean "schedule"?'],
  },
  {
    what: 'a misspelt condition',
    text: analyser('every: 1m, whem: "avg(oil_c) > 90"'),
    said: [
      'p.yaml:3:8: hot needs a condition (`when`), or values for a derived stream (`values`)',
      'p.yaml:3:21: unknown key "whem" in hot; did you mean "when"?',
    ],
  },
  {
    what: 'an analyser of two kinds',
    text: analyser('every: 1m, when: "avg(oil_c) > 90", silence: 1m'),
    said: [
      'p.yaml:3:46: unknown key "silence" in hot; known here: every, window, lateness, patience, when, for, clear_when, clear_for, values, sources, alert, on, per, stream',
    ],
  },
  {
    what: 'an analyser of another kind than a condition, with a value that is wrong',
    text: analyser('silence: 10'),
    said: ['p.yaml:3:19: silence has to be a number with ms, s, m, h or d, such as 50ms, not 10'],
  },
  {
    what: 'a misspelt method of an anomaly',
    text: analyser('anomaly: { field: amp, method: ewm }'),
    said: ['p.yaml:3:41: method has to be one of ewma, robust, not "ewm"; did you mean "ewma"?'],
  },
  {
    what: 'a window without a condition',
    text: analyser('every: 1m'),
    said: ['p.yaml:3:8: hot needs a condition (`when`), or values for a derived stream (`values`)'],
  },
  {
    what: 'a window beside a silence',
    text: analyser('silence: 10m, every: 1m'),
    said: ['p.yaml:3:24: unknown key "every" in hot; known here: silence, sources, alert, on'],
  },
  {
    what: 'a misspelt kind of analyser',
    text: analyser('silense: 10m, sources: [pump-1]'),
    said: ['p.yaml:3:10: unknown key "silense" in hot; did you mean "silence"?'],
  },
  {
    what: 'an analyser that looks for nothing',
    text: analyser('sources: [pump-1]'),
    said: [
      'p.yaml:3:8: hot does not say what it looks for: `when` (with `every` or `window`, unless it is of each record), `values`, `silence`, `gap`, `drift`, `anomaly` or `module`',
    ],
  },
  {
    what: 'columns of records that are no CSV',
    text: job('input: ndjson, columns: [temp_c], run: [./load.sh]'),
    said: ['p.yaml:3:35: columns are for `input: csv`'],
  },
  {
    what: 'a mistake that an alias repeats',
    text: 'pipeline: plant\nsources:\n  a: &a { generator: { coun: 1 } }\n  b: *a\n',
    said: [
      'p.yaml:3:24: unknown key "coun" in generator; did you mean "count"?',
      'p.yaml:4:3: unknown key "coun" in generator; did you mean "count"?',
    ],
  },
]

export const WRONG_VALUES: readonly WrongPart[] = [
  {
    what: 'bytes that are gathered for longer than the pause that ends a record',
    text: source('serial: { path: /dev/ttyS0, gather: 20ms }', 'frame: { silence: 5ms }'),
    said: ['p.yaml:4:41: gather hides the pauses that tell records apart: leave it out, or make it shorter than `silence`'],
  },
  { what: 'a name left out', text: 'pipeline:\n', said: ['p.yaml:1:10: pipeline has to be a string, not null'] },
  {
    what: 'sources as a list',
    text: 'pipeline: plant\nsources: [pump-1]\n',
    said: ['p.yaml:2:10: sources has to be a mapping of keys to values, not ["pump-1"]'],
  },
  {
    what: 'a source left out',
    text: 'pipeline: plant\nsources:\n  pump-1:\n',
    said: ['p.yaml:3:10: pump-1 has to be a mapping of keys to values, not null'],
  },
  {
    what: 'a path in the place of options',
    text: source('serial: /dev/ttyS0'),
    said: ['p.yaml:4:13: serial has to be a mapping of keys to values, not "/dev/ttyS0"'],
  },
  {
    what: 'a number in quotes',
    text: source('serial: { path: /dev/ttyS0, baud: "9600" }'),
    said: ['p.yaml:4:39: baud has to be a number, not "9600"'],
  },
  {
    what: 'half a baud',
    text: source('serial: { path: /dev/ttyS0, baud: 9600.5 }'),
    said: ['p.yaml:4:39: baud has to be a whole number, not 9600.5'],
  },
  {
    what: 'a unit that does not exist',
    text: source(serial, 'frame: { silence: 20us }'),
    said: ['p.yaml:5:23: silence has to be a number with ms, s, m, h or d, such as 50ms'],
  },
  {
    what: 'a unit that is spelt out',
    text: source(serial, 'buffer: { ttl: 1 day }'),
    said: ['p.yaml:5:20: ttl has to be a number with ms, s, m, h or d, such as 50ms'],
  },
  {
    what: 'no columns',
    text: source(serial, 'decode: { csv: [] }'),
    said: ['p.yaml:5:20: csv needs at least 1'],
  },
  {
    what: 'a column that is none',
    text: source(serial, 'decode: { csv: [suction_bar, Oil C] }'),
    said: ['p.yaml:5:34: is not a column name: lower-case letters, digits and _'],
  },
  {
    what: 'a misspelt choice',
    text: source(serial, 'buffer: { when_full: drop_oldset }'),
    said: [
      'p.yaml:5:26: when_full has to be one of block, drop_oldest, drop_newest, not "drop_oldset"; did you mean "drop_oldest"?',
    ],
  },
  {
    what: 'a priority out of bounds',
    text: source(serial, 'buffer: { priority: 500 }'),
    said: ['p.yaml:5:25: priority may be at most 100'],
  },
  {
    what: 'a topic with a space',
    text: 'pipeline: plant\ntopic: "a b"\n',
    said: ['p.yaml:2:8: topic is no topic: letters, digits, . _ and -'],
  },
  {
    what: 'a unit of Modbus that does not exist',
    text: source('modbus: { tcp: "h:502", unit: 300, device: eastron-sdm120 }'),
    said: ['p.yaml:4:35: unit may be at most 255'],
  },
  {
    what: 'a schedule of four fields',
    text: job('schedule: "0 2 * *", run: [./load.sh]'),
    said: [
      'p.yaml:3:21: schedule "0 2 * *" is not a cron pattern: expected 5 or 6 fields but got 4; write for example "0 2 * * *"',
    ],
  },
  {
    what: 'what a command prints in the place of what it reads',
    text: job('files: "{run_dir}/in.csv", stdout: in.csv, run: [./load.sh]'),
    said: ['p.yaml:3:46: stdout in.csv is where the records are (`files`)'],
  },
  {
    what: 'files beside the run that appears whole',
    text: job('files: "../loads/{source}.csv", run: [./load.sh]'),
    said: ['p.yaml:3:18: files leads out of the run directory: write where it is to be from there, or an absolute path'],
  },
  {
    what: 'records in the place of what Headrace keeps of a run',
    text: job('files: ranges.json, stdout: manifest.json, run: [./load.sh]'),
    said: [
      "p.yaml:3:18: files ranges.json is a file of Headrace's own",
      "p.yaml:3:39: stdout manifest.json is a file of Headrace's own",
    ],
  },
  {
    what: 'a command in one piece',
    text: job('run: ./load.sh --fast'),
    said: ['p.yaml:3:16: run has to be a list, such as [a, b], not "./load.sh --fast"'],
  },
  { what: 'an empty command', text: job('run: []'), said: ['p.yaml:3:16: run needs at least 1'] },
  {
    what: 'an unknown input',
    text: job('input: xml, run: [./load.sh]'),
    said: ['p.yaml:3:18: input has to be one of ndjson, csv, raw, not "xml"'],
  },
  {
    what: 'a time limit that nothing keeps',
    text: job('time_limit: 100ms, run: [./load.sh]'),
    said: ['p.yaml:3:23: time_limit must lie between 1s and 7d'],
  },
  {
    what: 'sources that no name fits',
    text: job('sources: ["Pump *"], run: [./load.sh]'),
    said: ['p.yaml:3:21: is not a source glob, such as compressor-* or plant-a-1/meter-?'],
  },
  {
    what: 'a job with a wrong name',
    text: 'pipeline: plant\nbatch:\n  Load: { run: [./load.sh] }\n',
    said: [`p.yaml:3:3: "Load" is no name: ${NAME_RULE}`],
  },
  {
    what: 'an aggregate that does not exist',
    text: analyser('every: 1m, when: "mean(oil_c) > 90"'),
    said: [
      `p.yaml:3:28: when mean() is no aggregate; did you mean avg()? Known aggregates: avg, sum, min, max, first, last, delta, rate, stddev, count, median, percentile(field, 95), records(), of numbers alone but for first, last, count; operators as in CEL: && || ! == != < <= > >= + - * / ? :.`,
    ],
  },
  {
    what: 'a condition that is a number',
    text: analyser('every: 1m, when: "avg(oil_c)"'),
    said: ['p.yaml:3:28: when gives double, not true or false. Compare an aggregate with a number, for example avg(oil_c) > 90.'],
  },
]
