import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadAny, loadCore, loadEdge, loadPipelines } from '../../src/config/load.ts'
import { analyser, NAME_RULE, serial, source, WRONG_KEYS, WRONG_TEXT, WRONG_VALUES, type WrongPart } from './wrong-parts.ts'

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
      'two.yaml:1:11: pipeline has to be text, not 2: write it in quotes',
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

  test('of a core are those of different gateways, each with its own ports and names of sources; within one they are of one', () => {
    const sources = `sources: { a: { ${serial} } }`
    write('one.yaml', `pipeline: one\n${sources}\n`)
    write('two.yaml', `pipeline: two\n${sources}\n`)
    const core = write('core.yaml', 'state: /x\nlog: { sqlite: {} }\npipelines: [one.yaml, two.yaml]\n')
    expect(saidBy(() => loadCore(core))).toEqual([])
    write('two.yaml', `pipeline: one\nsources: { a: { ${serial} }, b: { ${serial} } }\n`)
    expect(saidBy(() => loadCore(core))).toEqual([
      'two.yaml:1:11: pipeline "one" is in one.yaml already',
      expect.stringMatching(/^two.yaml:2:\d+: \/dev\/ttyS0 is read by "a" in two.yaml already$/),
    ])
  })

  test('meters on one bus are no mistake', () => {
    const bus = (unit: number) => `{ modbus: { rtu: { path: /dev/ttyS0 }, unit: ${unit}, device: eastron-sdm120 } }`
    expect(saidOfPipeline(`pipeline: one\nsources:\n  a: ${bus(1)}\n  b: ${bus(2)}\n`)).toEqual([])
  })

  test('what is left open twice in one place is said once', () => {
    expect(saidOfPipeline('pipeline: one\nsources: { a: { file')).toHaveLength(1)
  })

  test('a word of others is told what it is here, not what it looks like', () => {
    const steps = 'steps: [{ aggregate: { every: 10s, fields: { a: [mean] } } }]'
    expect(saidOfPipeline(`pipeline: one\nsources:\n  a: { generate: { kind: counter }, ${steps} }\n`).join()).toContain(
      'not "mean"; did you mean "avg"?',
    )
  })

  test('a pipeline that edge.yaml names, or a folder in the place of one', () => {
    write('wrong.yaml', 'pipeline: plant\nsuorces: {}\n')
    mkdirSync(join(folder, 'a-folder'))
    const edge = write('edge.yaml', 'gateway: g\nstate: /x\nuplink: { url: "amqp://c" }\npipelines: [wrong.yaml, a-folder]\n')
    expect(saidBy(() => loadEdge(edge))).toEqual([
      'a-folder:1:1: cannot be read: it is a folder',
      'wrong.yaml:2:1: unknown key "suorces"; did you mean "sources"?',
    ])
  })
})

const edge = (body: string) => `gateway: g\nstate: /x\n${body}\n`
const uplink = 'uplink: { url: "amqp://c" }'

test.each<WrongPart>([
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
    said: ['edge.yaml:4:12: pipelines has to be a list, such as [a, b], not "p.yaml"'],
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

test.each<WrongPart>([
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
    said: ['core.yaml:3:20: listen has to be text, not 8080: write it in quotes'],
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
    expect(saidOfPipeline(source(serial, 'decode: { csv: [a], header: true }'))).toEqual([
      'p.yaml:5:25: unknown key "header" in decode; known here: csv, separator, decimal',
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
