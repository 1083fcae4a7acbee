import { SOURCE_KINDS } from '../../src/source/kinds.ts'

/** Files that somebody could have written, and what has to be said of each: `LINE:COLUMN: message`, every one of them. */
export interface WrongFile {
  readonly what: string
  readonly text: string
  readonly said: readonly string[]
}

const KINDS = SOURCE_KINDS.map(({ kind }) => kind).join(', ')
const source = (body: string) => `pipeline: plant\nsources:\n  pump-1:\n    ${body}\n`
const serial = 'serial: { path: /dev/ttyS0 }'

export const WRONG_PIPELINES: readonly WrongFile[] = [
  { what: 'nothing at all', text: '', said: ['1:1: is empty'] },
  { what: 'a list', text: '- a\n- b\n', said: ['1:1: has to be a mapping of keys to values'] },
  {
    what: 'broken YAML',
    text: 'pipeline: plant\nsources: { a: [\n',
    said: [
      '3:1: is not YAML: Flow sequence in block collection must be sufficiently indented and end with a ]',
      '3:1: is not YAML: Flow map in block collection must be sufficiently indented and end with a }',
    ],
  },
  {
    what: 'a tab',
    text: 'pipeline: plant\nsources:\n\tpump-1: {}\n',
    said: ['3:1: is not YAML: Tabs are not allowed as indentation'],
  },
  {
    what: 'two documents',
    text: 'pipeline: plant\n---\npipeline: other\n',
    said: ['2:1: is not YAML: a second document begins here (---): each needs a file of its own'],
  },
  { what: 'a key twice', text: 'pipeline: plant\npipeline: other\n', said: ['2:1: is not YAML: Map keys must be unique'] },
  {
    what: 'a misspelt key',
    text: 'pipeline: plant\nsuorces: {}\n',
    said: ['2:1: unknown key "suorces"; did you mean "sources"?'],
  },
  {
    what: 'a misspelt key within a source',
    text: source('serial: { path: /dev/ttyS0, buad: 9600 }'),
    said: ['4:33: unknown key "buad" in serial; did you mean "baud"?'],
  },
  {
    what: 'a kind that does not exist',
    text: source('seriall: { path: /dev/ttyS0 }'),
    said: [
      '4:5: unknown key "seriall" in pump-1; did you mean "serial"?',
      `4:5: pump-1 needs to say what it reads: one of ${KINDS}`,
    ],
  },
  {
    what: 'no kind',
    text: source('frame: { delimiter: "\\n" }'),
    said: [`4:5: pump-1 needs to say what it reads: one of ${KINDS}`],
  },
  {
    what: 'two kinds',
    text: source(`${serial}\n    generator: {}`),
    said: ['4:5: pump-1 reads one thing, not 2: serial, generator'],
  },
  {
    what: 'a number where text belongs',
    text: 'pipeline: 7\n',
    said: ['1:11: pipeline has to be text, not 7: write it in quotes'],
  },
  {
    what: 'a wrong name',
    text: 'pipeline: Plant One\n',
    said: ['1:11: pipeline is no name: lower-case letters, digits and -, at most 63, beginning with a letter or digit'],
  },
  {
    what: 'a source with a wrong name',
    text: 'pipeline: plant\nsources:\n  Pump_1: { generator: {} }\n',
    said: ['3:3: "Pump_1" is no name: lower-case letters, digits and -, at most 63, beginning with a letter or digit'],
  },
  {
    what: 'a duration without a unit',
    text: 'pipeline: plant\ndurability: 50\n',
    said: ['2:13: durability has to be a number with ms, s, m, h or d, such as 50ms, not 50'],
  },
  {
    what: 'a duration that is too long',
    text: 'pipeline: plant\ndurability: 2h\n',
    said: ['2:13: durability must lie between 0 and 60s'],
  },
  {
    what: 'a number out of its bounds',
    text: source('serial: { path: /dev/ttyS0, baud: 7 }'),
    said: ['4:39: baud has to be at least 50'],
  },
  {
    what: 'an unknown parity',
    text: source('serial: { path: /dev/ttyS0, parity: mark }'),
    said: ['4:41: parity has to be one of none, even, odd, not "mark"'],
  },
  {
    what: 'a number that is none of those that may be',
    text: source('serial: { path: /dev/ttyS0, data_bits: 9 }'),
    said: ['4:44: data_bits has to be one of 5, 6, 7, 8, not 9'],
  },
  {
    what: 'a version as a number',
    text: source('mqtt: { url: "mqtt://h", topics: [a], version: 5 }'),
    said: ['4:52: version has to be text: write "5", in quotes'],
  },
  {
    what: 'a port that no broker can have, which ended the process',
    text: source('mqtt: { url: "mqtt://h:99999", topics: [a] }'),
    said: ['4:18: url has no host, or no port from 1 to 65535'],
  },
  {
    what: 'topics that no broker takes',
    text: source('mqtt: { url: "mqtt://h", topics: [a/#, a/#/b, "+/x", a+, "$share/g/+/x"] }'),
    said: ['a/#/b', 'a+'].map(
      topic =>
        `4:${topic === 'a+' ? 58 : 44}: is no topic: + takes the place of a whole level, such as plant/+/temp, and # that of the last ones, such as plant/#`,
    ),
  },
  {
    what: 'certificates where there is no TLS',
    text: source('mqtt: { url: "mqtt://h", topics: [a], tls: { ca: ./ca.pem } }'),
    said: ['4:11: mqtt has `tls`, so that `url` has to be mqtts:// or wss://'],
  },
  {
    what: 'a URL that is none',
    text: source('http: { url: plant/values }'),
    said: ['4:18: url has to be an address such as http://host/path, not "plant/values"'],
  },
  {
    what: 'a path without its slash',
    text: source('webhook: { listen: "127.0.0.1:8081", path: hook }'),
    said: ['4:48: path has to begin with "/"'],
  },
  {
    what: 'UDP addresses that are none',
    text: source('udp: { listen: "0.0.0.0:5140", multicast: 10.0.0.1, from: [pump] }'),
    said: ['4:47: multicast is no address of a group, such as 239.1.2.3', '4:64: has to be an address, such as 10.0.0.7'],
  },
  {
    what: 'a port that no device can have',
    text: source('modbus: { tcp: "10.0.0.7:99999", device: eastron-sdm120 }'),
    said: ['4:20: tcp is not an address: write host:port, such as 10.0.0.7:502'],
  },
  {
    what: 'a column twice',
    text: source(`${serial}\n    decode: { csv: [t, p, t] }`),
    said: ['5:20: csv names a column twice'],
  },
  {
    what: 'a USB name that YAML took for a number',
    text: source('serial: { usb: { vendor: 0403, product: "6001" } }'),
    said: ['4:30: vendor has to be text, not 403: write it in quotes'],
  },
  {
    what: 'changes of nothing',
    text: source(`${serial}\n    steps: [{ changes: { fields: {} } }]`),
    said: ['5:34: fields names no field: such as { temp_c: 0.5 }'],
  },
  {
    what: 'two ways of framing',
    text: source(`${serial}\n    frame: { delimiter: "\\n", length: 5 }`),
    said: ['5:12: frame needs exactly one of `delimiter`, `length`, `length_field`, `between`, `packets`, `silence`, `telegram`'],
  },
  {
    what: 'an unknown decoder',
    text: source(`${serial}\n    decode: xml`),
    said: ['5:13: decode has to be raw, json, nmea, telegram, { csv: [column, …] }, { words: … } or { binary: … }, not "xml"'],
  },
  {
    what: 'framing of whole messages',
    text: source('generator: {}\n    frame: { length: 5 }'),
    said: ['5:5: generator gives whole records: there is nothing to frame'],
  },
  {
    what: 'an unknown device',
    text: source('modbus: { tcp: "10.0.0.1:502", device: eastron-sdm121 }'),
    said: [
      '4:44: device "eastron-sdm121" is no device profile; did you mean "eastron-sdm120"? Known are abb-b23, carlo-gavazzi-em24, comwintop-cwt-uwd, eastron-sdm120, eastron-sdm230, eastron-sdm630, fronius-sunspec-float, growatt-inverter, peacefair-pzem-016, schneider-iem3155, senseair-s8, sma-inverter, tuf-2000m, xy-md02; or name a .yaml file made like those in hardware/devices/.',
    ],
  },
  {
    what: 'TCP and a line at once',
    text: source('modbus: { tcp: "h:502", rtu: { path: /dev/ttyS0 }, device: eastron-sdm120 }'),
    said: ['4:13: modbus needs exactly one of `tcp`, `rtu` and `rtu_over_tcp`'],
  },
  {
    what: 'one port for two sources',
    text: `pipeline: plant\nsources:\n  a: { ${serial} }\n  b: { ${serial} }\n`,
    said: ['4:8: /dev/ttyS0 is read by "a" in FILE already'],
  },
  {
    what: 'one line with two speeds',
    text: 'pipeline: plant\nsources:\n  a: { modbus: { rtu: { path: /dev/ttyS0 }, unit: 1, device: eastron-sdm120 } }\n  b: { modbus: { rtu: { path: /dev/ttyS0, baud: 19200 }, unit: 2, device: eastron-sdm120 } }\n',
    said: ['4:8: /dev/ttyS0 is read by "a" in FILE with other settings of the line'],
  },
  {
    what: 'a wrong schedule',
    text: 'pipeline: plant\nbatch:\n  load: { schedule: "0 25 * * *", run: [./load.sh] }\n',
    said: ['3:21: schedule "0 25 * * *" is not a cron pattern: "25" is no hour; write for example "0 2 * * *"'],
  },
  {
    what: 'a wrong time zone',
    text: 'pipeline: plant\nbatch:\n  load: { timezone: Europe/Lundon, run: [./load.sh] }\n',
    said: ['3:21: timezone "Europe/Lundon" is no time zone; write for example Europe/London'],
  },
  {
    what: 'a job without a command',
    text: 'pipeline: plant\nbatch:\n  load: { schedule: "0 2 * * *" }\n',
    said: ['3:3: "run" is missing'],
  },
  {
    what: 'a wrong condition',
    text: 'pipeline: plant\nanalysers:\n  hot: { every: 1m, when: "avg(oil_c >" }\n',
    said: [
      '3:39: when is wrong: Unexpected token: EOF. Known aggregates: avg, sum, min, max, first, last, delta, rate, stddev, count, median, percentile(field, 95), records(), of numbers alone but for first, last, count; operators as in CEL: && || ! == != < <= > >= + - * / ? :.',
    ],
  },
  {
    what: 'a condition without a field',
    text: 'pipeline: plant\nanalysers:\n  hot: { every: 1m, when: "1 > 0" }\n',
    said: [
      '3:28: when names no field. Write an aggregate of one. Known aggregates: avg, sum, min, max, first, last, delta, rate, stddev, count, median, percentile(field, 95), records(), of numbers alone but for first, last, count; operators as in CEL: && || ! == != < <= > >= + - * / ? :.',
    ],
  },
  {
    what: 'an alert to nobody',
    text: 'pipeline: plant\nanalysers:\n  hot: { silence: 1m, alert: {} }\n',
    said: ['3:30: alert needs a command, a webhook, a topic or an AMQP address (amqp)'],
  },
  {
    what: 'a bomb of aliases',
    text: `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\npipeline: plant\n`,
    said: ['1:1: cannot be taken apart: Excessive alias count indicates a resource exhaustion attack'],
  },
  {
    what: 'several mistakes',
    text: 'pipeline: plant\ndurability: soon\nsources:\n  a: { generator: { coutn: 5 } }\n  b: { serial: { baud: 9600 } }\n',
    said: [
      '2:13: durability has to be a number with ms, s, m, h or d, such as 50ms',
      '4:21: unknown key "coutn" in generator; did you mean "count"?',
      '5:16: serial needs either `path` or `usb`',
    ],
  },
]

const edge = (rest: string) => `gateway: gw-1\nstate: /tmp/x\n${rest}`

export const WRONG_EDGES: readonly WrongFile[] = [
  {
    what: 'no gateway',
    text: 'state: /tmp/x\nuplink: { url: "amqp://core" }\npipelines: [p.yaml]\n',
    said: ['1:1: "gateway" is missing'],
  },
  {
    what: 'an address that is none',
    text: edge('uplink: { url: core.example }\npipelines: [p.yaml]\n'),
    said: ['3:16: url is not an AMQP address: write amqp://host:port or amqps://host:port'],
  },
  {
    what: 'an address with a port that there cannot be',
    text: edge('uplink: { urls: ["amqp://core:99999", "amqp://[::1]:5672", "amqp://:5672"] }\npipelines: [p.yaml]\n'),
    said: ['3:18: has no host, or no port up to 65535', '3:60: has no host, or no port up to 65535'],
  },
  {
    what: 'another protocol',
    text: edge('uplink: { url: "opcua://core" }\npipelines: [p.yaml]\n'),
    said: ['3:16: url is not an AMQP address: write amqp://host:port or amqps://host:port'],
  },
  {
    what: 'a quota without a unit',
    text: edge('uplink: { url: "amqp://core" }\nbuffer: { quota: 100 }\npipelines: [p.yaml]\n'),
    said: ['4:18: quota has to be a number with B, kB, MB, GB, KiB, MiB or GiB, such as 64KiB, not 100'],
  },
  {
    what: 'a misspelt key',
    text: edge('uplink: { url: "amqp://core" }\npiplines: [p.yaml]\n'),
    said: ['1:1: "pipelines" is missing', '4:1: unknown key "piplines"; did you mean "pipelines"?'],
  },
  {
    what: 'a pipeline that is not there',
    text: edge('uplink: { url: "amqp://core" }\npipelines: [p.yaml]\n'),
    said: ['4:13: no file fits "p.yaml"'],
  },
]

const core = (rest: string) => `state: /tmp/x\n${rest}`

export const WRONG_CORES: readonly WrongFile[] = [
  { what: 'no log', text: core('ingress: { listen: "amqp://0.0.0.0:5672" }\n'), said: ['1:1: "log" is missing'] },
  {
    what: 'two logs',
    text: core('log: { sqlite: {}, kafka: { brokers: ["k:9092"] } }\n'),
    said: ['2:6: log needs either `kafka` or `sqlite`'],
  },
  {
    what: 'a broker without a port',
    text: core('log: { kafka: { brokers: [kafka] } }\n'),
    said: ['2:27: is not an address: write host:port'],
  },
  {
    what: 'ports that there cannot be',
    text: core(
      'log: { kafka: { brokers: ["k:9092", "k:90920"] } }\ningress: { listen: "amqp://0.0.0.0:99999" }\nconsole: { listen: "127.0.0.1:80800" }\n',
    ),
    said: [
      '2:37: has no port up to 65535',
      '3:20: listen has no host, or no port up to 65535',
      '4:20: listen has no port up to 65535',
    ],
  },
  { what: 'no broker', text: core('log: { kafka: { brokers: [] } }\n'), said: ['2:26: brokers needs at least 1'] },
  {
    what: 'an ingress that is none',
    text: core('log: { sqlite: {} }\ningress: {}\n'),
    said: ['3:10: ingress needs either `listen` or `connect`'],
  },
  {
    what: 'an unknown mechanism',
    text: core('log: { kafka: { brokers: ["k:9092"], sasl: { mechanism: scram, username: u, password_file: f } } }\n'),
    said: ['2:57: mechanism has to be one of plain, scram-sha-256, scram-sha-512, not "scram"'],
  },
]
