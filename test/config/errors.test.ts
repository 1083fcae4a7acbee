import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadAny, loadCore, loadEdge, loadPipelines } from '../../src/config/load.ts'
import { SOURCE_KINDS } from '../../src/source/kinds.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-errors-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function write(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

/** What is said of files, with their folder left out; empty where nothing is. */
function saidBy(load: () => unknown): string[] {
  try {
    load()
    return []
  } catch (error) {
    expect(error).toMatchObject({ code: 'config_invalid' })
    return (error as Error).message.replaceAll(`${folder}/`, '').split('\n')
  }
}

const saidOfPipeline = (text: string) => saidBy(() => loadPipelines([write('p.yaml', text)]))

const source = (...lines: readonly string[]) =>
  `pipeline: plant\nsources:\n  pump-1:\n${lines.map(line => `    ${line}\n`).join('')}`
const serial = 'serial: { path: /dev/ttyS0 }'
const job = (options: string) => `pipeline: plant\nbatch:\n  load: { ${options} }\n`
const analyser = (options: string) => `pipeline: plant\nanalysers:\n  hot: { ${options} }\n`
const NAME_RULE = 'lower-case letters, digits and -, at most 63, beginning with a letter or digit'
const KINDS = SOURCE_KINDS.map(({ kind }) => kind).join(', ')

interface Wrong {
  readonly what: string
  readonly text: string
  readonly said: readonly string[]
}

const WRONG_TEXT: readonly Wrong[] = [
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
    said: ['p.yaml:2:1: is not YAML: Source contains multiple documents; please use YAML.parseAllDocuments()'],
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

const WRONG_KEYS: readonly Wrong[] = [
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
    what: 'a mistake that an alias repeats',
    text: 'pipeline: plant\nsources:\n  a: &a { generator: { coun: 1 } }\n  b: *a\n',
    said: [
      'p.yaml:3:24: unknown key "coun" in generator; did you mean "count"?',
      'p.yaml:4:3: unknown key "coun" in generator; did you mean "count"?',
    ],
  },
]

const WRONG_VALUES: readonly Wrong[] = [
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
      'p.yaml:3:21: schedule "0 2 * *" is not a cron pattern: expression expected 5 or 6 fields but got 4; write for example "0 2 * * *"',
    ],
  },
  {
    what: 'a command in one piece',
    text: job('run: ./load.sh --fast'),
    said: ['p.yaml:3:16: run has to be an array, not "./load.sh --fast"'],
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
      `p.yaml:3:28: when mean() is no aggregate; did you mean min()? Known aggregates: avg, sum, min, max, first, last, delta, rate, stddev, count, median, percentile(field, 95), records(); operators as in CEL: && || ! == != < <= > >= + - * / ? :.`,
    ],
  },
  {
    what: 'a condition that is a number',
    text: analyser('every: 1m, when: "avg(oil_c)"'),
    said: ['p.yaml:3:28: when gives double, not true or false. Compare an aggregate with a number, for example avg(oil_c) > 90.'],
  },
]

describe.each([
  ['what is no YAML of ours', WRONG_TEXT],
  ['keys', WRONG_KEYS],
  ['values', WRONG_VALUES],
])('%s', (_what, wrong) => {
  test.each(wrong)('$what', ({ text, said }) => {
    expect(saidOfPipeline(text)).toEqual(said)
  })
})

test('every mistake of a file is told at once, in the order of its lines', () => {
  const text = [
    'pipeline: Plant',
    'topic: "a b"',
    'durability: 5',
    'sources:',
    '  a: { serial: { path: /dev/ttyS0, bauds: 5 } }',
    '  b: { generator: { records_per_second: fast } }',
    'batch:',
    '  load: { timezone: Mars, run: [x] }',
    '',
  ].join('\n')
  expect(saidOfPipeline(text)).toEqual([
    `p.yaml:1:11: pipeline is no name: ${NAME_RULE}`,
    'p.yaml:2:8: topic is no topic: letters, digits, . _ and -',
    'p.yaml:3:13: durability has to be a number with ms, s, m, h or d, such as 50ms, not 5',
    'p.yaml:5:36: unknown key "bauds" in serial; did you mean "baud"?',
    'p.yaml:6:41: records_per_second has to be a number, not "fast"',
    'p.yaml:8:21: timezone "Mars" is no time zone; write for example Europe/London',
  ])
})

describe('several files', () => {
  test('mistakes of all of them are told, file by file', () => {
    const one = write('one.yaml', 'pipeline: one\ntopc: x\n')
    const two = write('two.yaml', 'pipeline: 2\n')
    expect(saidBy(() => loadPipelines([two, one]))).toEqual([
      'one.yaml:2:1: unknown key "topc"; did you mean "topic"?',
      'two.yaml:1:11: pipeline has to be a string, not 2',
    ])
  })

  test('a source of the same name in two pipelines', () => {
    const one = write('one.yaml', 'pipeline: one\nsources: { pump: { generator: {} } }\n')
    const two = write('two.yaml', 'pipeline: two\nsources: { pump: { generator: {} } }\n')
    expect(saidBy(() => loadPipelines([one, two]))).toEqual([
      `two.yaml:2:12: a source "pump" is in one.yaml already; a gateway's sources have different names`,
    ])
  })

  test('one serial port in two pipelines, once as a stream and once as a bus', () => {
    const one = write('one.yaml', `pipeline: one\nsources: { a: { ${serial} } }\n`)
    const two = write(
      'two.yaml',
      'pipeline: two\nsources: { b: { modbus: { rtu: { path: /dev/ttyS0 }, unit: 1, device: eastron-sdm120 } } }\n',
    )
    expect(saidBy(() => loadPipelines([one, two]))).toEqual(['two.yaml:2:17: /dev/ttyS0 is read by "a" in one.yaml already'])
  })

  test('meters on one bus are no mistake', () => {
    const bus = (unit: number) => `{ modbus: { rtu: { path: /dev/ttyS0 }, unit: ${unit}, device: eastron-sdm120 } }`
    expect(saidOfPipeline(`pipeline: one\nsources:\n  a: ${bus(1)}\n  b: ${bus(2)}\n`)).toEqual([])
  })

  test('a pipeline that edge.yaml names, or a folder in the place of one', () => {
    write('wrong.yaml', 'pipeline: plant\nsuorces: {}\n')
    mkdirSync(join(folder, 'a-folder'))
    const edge = write('edge.yaml', 'gateway: g\nstate: /x\nuplink: { url: "amqp://c" }\npipelines: [wrong.yaml, a-folder]\n')
    expect(saidBy(() => loadEdge(edge))).toEqual([
      'a-folder:1:1: cannot be read: EISDIR: illegal operation on a directory, read',
      'wrong.yaml:2:1: unknown key "suorces"; did you mean "sources"?',
    ])
  })
})

const edge = (body: string) => `gateway: g\nstate: /x\n${body}\n`
const uplink = 'uplink: { url: "amqp://c" }'

test.each<Wrong>([
  { what: 'nowhere to send', text: edge('pipelines: [p.yaml]'), said: ['edge.yaml:1:1: "uplink" is missing'] },
  {
    what: 'an uplink without an address',
    text: edge('uplink: {}\npipelines: [p.yaml]'),
    said: ['edge.yaml:3:9: uplink needs either `url` or `urls`'],
  },
  {
    what: 'a misspelt mode',
    text: edge('uplink: { url: "amqp://c", mode: brocker }\npipelines: [p.yaml]'),
    said: ['edge.yaml:3:34: mode has to be one of direct, router, broker, not "brocker"; did you mean "broker"?'],
  },
  {
    what: 'a misspelt certificate',
    text: edge('uplink: { url: "amqps://c", tls: { crt: x } }\npipelines: [p.yaml]'),
    said: ['edge.yaml:3:36: unknown key "crt" in tls; did you mean "cert"?'],
  },
  {
    what: 'a quota that holds nothing',
    text: edge(`${uplink}\nbuffer: { quota: 1KiB }\npipelines: [p.yaml]`),
    said: ['edge.yaml:4:18: quota must lie between 1MiB and 1024GiB'],
  },
  { what: 'no pipeline', text: edge(`${uplink}\npipelines: []`), said: ['edge.yaml:4:12: pipelines needs at least 1'] },
  {
    what: 'a pipeline that is no list',
    text: edge(`${uplink}\npipelines: p.yaml`),
    said: ['edge.yaml:4:12: pipelines has to be an array, not "p.yaml"'],
  },
  {
    what: 'a gateway with a wrong name',
    text: `gateway: Plant 1\nstate: /x\n${uplink}\npipelines: [p.yaml]\n`,
    said: [`edge.yaml:1:10: gateway is no name: ${NAME_RULE}`],
  },
  {
    what: 'globs that fit no file',
    text: edge(`${uplink}\npipelines: [p.yaml, "d/*.yaml"]`),
    said: ['edge.yaml:4:13: no file fits "p.yaml"', 'edge.yaml:4:21: no file fits "d/*.yaml"'],
  },
])('edge.yaml: $what', ({ text, said }) => {
  expect(saidBy(() => loadEdge(write('edge.yaml', text)))).toEqual(said)
})

const core = (body: string) => `state: /x\n${body}\n`
const log = 'log: { sqlite: {} }'

test.each<Wrong>([
  { what: 'nowhere to keep anything', text: `${log}\n`, said: ['core.yaml:1:1: "state" is missing'] },
  {
    what: 'a misspelt log',
    text: core('log: { kafak: { brokers: ["k:9092"] } }'),
    said: [
      'core.yaml:2:6: log needs either `kafka` or `sqlite`',
      'core.yaml:2:8: unknown key "kafak" in log; did you mean "kafka"?',
    ],
  },
  {
    what: 'a log by its name alone',
    text: core('log: kafka'),
    said: ['core.yaml:2:6: log has to be a mapping of keys to values, not "kafka"'],
  },
  {
    what: 'a console on a port alone',
    text: core(`${log}\nconsole: { listen: 8080 }`),
    said: ['core.yaml:3:20: listen has to be a string, not 8080'],
  },
  {
    what: 'a console without a port',
    text: core(`${log}\nconsole: { listen: localhost }`),
    said: ['core.yaml:3:20: listen is not an address: write host:port'],
  },
  {
    what: 'a switch that is neither on nor off',
    text: core(`${log}\nbatch: sometimes`),
    said: ['core.yaml:3:8: batch has to be a boolean, not "sometimes"'],
  },
  {
    what: 'an ingress of both sorts',
    text: core(`${log}\ningress: { listen: "amqp://a:1", connect: "amqp://b:1" }`),
    said: ['core.yaml:3:10: ingress needs either `listen` or `connect`'],
  },
  {
    what: 'a misspelt key',
    text: core(`${log}\nanalyzers: false`),
    said: ['core.yaml:3:1: unknown key "analyzers"; did you mean "analysers"?'],
  },
  {
    what: 'a password in the file',
    text: core('log: { kafka: { brokers: ["k:9092"], sasl: { mechanism: plain, username: u, password: secret } } }'),
    said: [
      'core.yaml:2:38: "password_file" is missing',
      'core.yaml:2:77: unknown key "password" in sasl; known here: mechanism, username, password_file',
    ],
  },
])('core.yaml: $what', ({ text, said }) => {
  expect(saidBy(() => loadCore(write('core.yaml', text)))).toEqual(said)
})

test('a file that is none of the three kinds', () => {
  const said = ['x.yaml:1:1: is none of pipeline (key `pipeline`), edge (`uplink`) and core (`log`)']
  expect(saidBy(() => loadAny(write('x.yaml', 'name: x\n')))).toEqual(said)
  expect(saidBy(() => loadAny(write('x.yaml', '{}\n')))).toEqual(said)
})

test('a file of exactly the size that is allowed is read, one byte more is not', () => {
  const head = 'pipeline: plant\n#'
  const allowed = head + 'x'.repeat(1024 * 1024 - head.length)
  expect(saidOfPipeline(allowed)).toEqual([])
  expect(saidOfPipeline(`${allowed}x`)).toEqual([
    'p.yaml:1:1: cannot be read: the file has 1048577 bytes; a configuration may have 1048576',
  ])
})

describe('said so that somebody can act on it', () => {
  test('a condition that lacks its window is told so where it needs one', () => {
    expect(saidOfPipeline(analyser('when: "avg(oil_c) > 90"'))).toEqual([
      'p.yaml:3:17: when avg() needs a window, and there is none. Add a window, for example every: 1m; or name the field alone.',
    ])
  })

  test('of a misspelt decoder the nearest is named', () => {
    expect(saidOfPipeline(source(serial, 'decode: { cvs: [a] }')).join('\n')).toContain('did you mean "csv"?')
  })

  test('beside an unknown option of a decoder, those that are known are named', () => {
    expect(saidOfPipeline(source(serial, 'decode: { csv: [a], separator: ";" }'))).toEqual([
      'p.yaml:5:25: unknown key "separator" in decode; known here: csv',
    ])
  })

  test('a source by the name of __proto__ is refused, not left out', () => {
    expect(saidOfPipeline('pipeline: plant\nsources: { __proto__: { generator: {} } }\n')).toEqual([
      `p.yaml:2:12: "__proto__" is no name: ${NAME_RULE}`,
    ])
  })

  test.each([
    ['a webhook that is no address', analyser('silence: 1m, alert: { webhook: "ftp://x" }')],
    ['a topic for alerts with a space', analyser('silence: 1m, alert: { topic: "a b" }')],
  ])('%s is refused in our own words', (_what, text) => {
    expect(saidOfPipeline(text).join('\n')).not.toMatch(/Invalid |must match pattern/)
  })

  test('of an empty path it is said that it is too short, not too small', () => {
    expect(saidOfPipeline(source('serial: { path: "" }'))).toEqual(['p.yaml:4:21: path has to be at least 1 long'])
  })
})
