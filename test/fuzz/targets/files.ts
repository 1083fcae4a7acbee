import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { readInstance, readMarks } from '../../../src/buffer/marks.ts'
import { coreSchema } from '../../../src/config/core.ts'
import { ConfigDocument } from '../../../src/config/document.ts'
import { edgeSchema } from '../../../src/config/edge.ts'
import { ConfigError } from '../../../src/config/errors.ts'
import { pipelineSchema } from '../../../src/config/pipeline.ts'
import { HeadraceError } from '../../../src/runtime/errors.ts'
import { loadProfile } from '../../../src/source/modbus-profile.ts'
import { anyBytes, mutated } from '../harness/bytes.ts'
import { scratchFolder } from '../harness/scratch.ts'
import { target } from '../harness/target.ts'

const PIPELINES = new URL('../../../pipelines/', import.meta.url)
const DEVICES = new URL('../../../hardware/devices/', import.meta.url)
const filesIn = (folder: URL) =>
  readdirSync(folder)
    .filter(file => file.endsWith('.yaml'))
    .map(file => readFileSync(new URL(file, folder)))

const CONFIGURATIONS = [
  ...filesIn(PIPELINES),
  Buffer.from('gateway: a\nstate: /tmp/s\nuplink: { url: "amqp://h:1" }\npipelines: ["p.yaml"]\n'),
  Buffer.from('state: /tmp/s\nlog: { kafka: { brokers: ["h:1"] } }\ningress: { listen: "amqp://h:1" }\npipelines: []\n'),
]

/** What makes a reader of YAML work: anchors in anchors, depth, keys without end, tags, merges. */
const laborious = fc.oneof(
  fc.integer({ min: 1, max: 10_000 }).map(depth => `a: ${'['.repeat(depth)}`),
  fc.integer({ min: 1, max: 10_000 }).map(depth => `a: ${'['.repeat(depth)}${']'.repeat(depth)}`),
  fc.integer({ min: 1, max: 10_000 }).map(depth => `a: ${'{b: '.repeat(depth)}1${'}'.repeat(depth)}`),
  fc.integer({ min: 1, max: 5_000 }).map(depth => `${'- '.repeat(depth)}a`),
  fc.integer({ min: 1, max: 1_200 }).map(depth => Array.from({ length: depth }, (_, at) => `${' '.repeat(at)}a:`).join('\n')),
  fc.integer({ min: 1, max: 100_000 }).map(length => `${'k'.repeat(length)}: 1`),
  fc.integer({ min: 1, max: 8_000 }).map(count => Array.from({ length: count }, (_, at) => `k${at}: 1`).join('\n')),
  fc
    .integer({ min: 1, max: 30_000 })
    .map(count => `sources: {${Array.from({ length: count }, (_, at) => `k${at}: 1`).join(',')}}`),
  fc.integer({ min: 1, max: 40 }).map(levels => {
    const lines = ['a0: &a0 [x, x]', ...Array.from({ length: levels }, (_, at) => `a${at + 1}: &a${at + 1} [*a${at}, *a${at}]`)]
    return `${lines.join('\n')}\npipeline: *a${levels}`
  }),
  fc.constantFrom(
    'a: &a\n  b: *a',
    '<<: *x',
    '? [a, b]\n: c',
    'a: !!binary "====="',
    '--- a\n--- b',
    '%YAML 9.9\n---\na: 1',
    '\ufeffa: 1',
  ),
  fc.constantFrom(
    '__proto__: { x: 1 }',
    'constructor: 1',
    'sources: { __proto__: { raw: 1 } }',
    'toString: 1\nhasOwnProperty: 2',
  ),
)

let folder: string | undefined

function inItsWords(act: () => void): void {
  try {
    act()
  } catch (error) {
    if (!(error instanceof HeadraceError)) throw error
  }
}

function written(name: string, content: Buffer): string {
  folder ??= scratchFolder()
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

const MARKS = [
  Buffer.from('{"version":1,"session":3,"sources":{"a":{"topic":"t","mark":5,"assignment":null}}}'),
  Buffer.from(
    '{"version":1,"session":3,"sources":{"a":{"topic":"t","mark":5,"assignment":{"log":"l","topic":"t","partition":0,"producerId":1,"epoch":0,"epochStart":0}}}}',
  ),
]
const IDENTITIES = [Buffer.from('{"instance":"0123456789abcdef01234567","machine":"m"}')]

export const targets = [
  target({
    name: 'YAML: any text is a configuration, or wrong at a line and a column',
    input: fc.oneof(
      { weight: 4, arbitrary: mutated(CONFIGURATIONS).map(bytes => bytes.toString('utf8')) },
      { weight: 1, arbitrary: laborious },
      { weight: 1, arbitrary: anyBytes(200).map(bytes => bytes.toString('latin1')) },
    ),
    runs: 50,
    run(text) {
      for (const schema of [pipelineSchema, edgeSchema, coreSchema]) {
        try {
          ConfigDocument.parse('f.yaml', text).as(schema)
        } catch (error) {
          if (!(error instanceof ConfigError)) throw error
          const bad = error.issues.find(({ line, column }) => !(line >= 1 && column >= 1))
          if (bad) throw new Error(`an issue at line ${bad.line}, column ${bad.column}`)
        }
      }
    },
  }),
  target({
    name: 'device profiles: a profile, or an error that says what is wrong',
    input: fc.oneof(
      { weight: 4, arbitrary: mutated(filesIn(DEVICES)) },
      { weight: 1, arbitrary: laborious.map(text => Buffer.from(text)) },
    ),
    runs: 40,
    run: bytes => inItsWords(() => void loadProfile(written('profile.yaml', bytes))),
  }),
  target({
    name: 'marks and identity: read, or an error that says what to do',
    input: fc.record({
      marks: fc.oneof(mutated(MARKS), anyBytes(60)),
      identity: fc.oneof(mutated(IDENTITIES), anyBytes(60)),
    }),
    runs: 80,
    run({ marks, identity }) {
      inItsWords(() => void readMarks(written('marks.json', marks)))
      inItsWords(() => void readInstance(written('identity.json', identity)))
    },
  }),
]
