import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { freePort } from '../../hardware/simulators/free-port.ts'
import { CoreProcess } from '../../src/cli/core-process.ts'
import { EdgeProcess } from '../../src/cli/edge-process.ts'
import { coreSchema } from '../../src/config/core.ts'
import { edgeSchema } from '../../src/config/edge.ts'
import { loadPipelines } from '../../src/config/load.ts'
import { OtlpExporter } from '../../src/console/otlp.ts'
import { type Clock, systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { Sampling, spanIdOf, traceIdOf } from '../../src/runtime/sampling.ts'
import { until } from '../support/until.ts'

interface Span {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly attributes: readonly { readonly key: string; readonly value: { readonly stringValue: string } }[]
}

let folder: string
let receiver: Server
let url: string
let spans: { service: string; span: Span }[]
let answers: number[]
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-traces-'))
  spans = []
  answers = []
  receiver = createServer(async (request, response) => {
    const body = await text(request)
    const status = answers.shift() ?? 200
    if (status === 200) take(JSON.parse(body))
    response.writeHead(status, { 'content-type': 'application/json' }).end('{}')
  })
  await new Promise<void>(resolve => receiver.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/v1/traces`
})
afterEach(() => {
  receiver.closeAllConnections()
  receiver.close()
  rmSync(folder, { recursive: true, force: true })
})

function take({
  resourceSpans,
}: {
  resourceSpans: { resource: Pick<Span, 'attributes'>; scopeSpans: { spans: Span[] }[] }[]
}): void {
  for (const { resource, scopeSpans } of resourceSpans) {
    const service = resource.attributes.find(({ key }) => key === 'service.name')?.value.stringValue ?? ''
    for (const each of scopeSpans) spans.push(...each.spans.map(span => ({ service, span })))
  }
}

describe('which records are followed', () => {
  test('is the same for whoever asks, and one in so many', () => {
    const [one, other] = [new Sampling(0.01), new Sampling(0.01)]
    const all = one.within('g/s', 0, 10_000, 1_000)
    expect(all).toHaveLength(100)
    const inParts = Array.from({ length: 1_000 }, (_, at) => other.within('g/s', at * 10, at * 10 + 10, 1_000)).flat()
    expect(inParts).toEqual(all)
    expect(one.within('g/t', 0, 10_000, 1_000)).not.toEqual(all)
  })

  test('a rarer choice is a part of a more frequent one', () => {
    const often = new Set(new Sampling(0.1).within('g/s', 0, 1_000, 1_000))
    expect(new Sampling(0.01).within('g/s', 0, 1_000, 1_000).filter(each => !often.has(each))).toEqual([])
  })

  test('ids are of the sizes that collectors take', () => {
    expect(traceIdOf('g/s', 1)).toMatch(/^[0-9a-f]{32}$/)
    expect(spanIdOf(traceIdOf('g/s', 1), 'link')).toMatch(/^[0-9a-f]{16}$/)
  })
})

test('a record is followed from gateway to core, analysers and batch job, and its spans are one trace', async () => {
  const pipeline = join(folder, 'p.yaml')
  writeFileSync(
    pipeline,
    `pipeline: p
sources: { a: { generator: { records_per_second: 200 } } }
batch: { load: { input: ndjson, run: [sh, -c, "cat > /dev/null"] } }
analysers: { many: { sources: [a], every: 1s, when: "count(n) > 100000", alert: { command: ["true"] } } }
`,
  )
  const traces = { otlp: url, rate: 0.05 }
  const listen = `amqp://127.0.0.1:${await freePort()}`
  const core = await CoreProcess.start(
    coreSchema.parse({ state: join(folder, 'core'), log: { sqlite: {} }, ingress: { listen }, traces, pipelines: [pipeline] }),
    loadPipelines([pipeline]),
    silentLogger,
  )
  const edge = await EdgeProcess.start(
    edgeSchema.parse({ gateway: 'gw', state: join(folder, 'edge'), uplink: { url: listen }, traces, pipelines: [pipeline] }),
    loadPipelines([pipeline]),
    silentLogger,
  )
  try {
    await until('records are in the log', async () => ((await core.status()).sources[0]?.next ?? 0) > 200)
    const whole = await until('one trace has every step', async () => {
      // Analysers begin at the end of the log, so that none of them sees what an early run has read: runs go on until both saw the same record.
      await core.calls['batch.run']?.({ job: 'load' }, new AbortController().signal)
      const traced = Map.groupBy(spans, ({ span }) => span.traceId)
      return [...traced.values()].find(all => new Set(all.map(({ span }) => span.name)).size === 6)
    })
    expect(Object.fromEntries(whole.map(({ service, span }) => [span.name, service]))).toEqual({
      record: 'headrace-edge',
      buffer: 'headrace-edge',
      link: 'headrace-edge',
      ingress: 'headrace-core',
      analysers: 'headrace-core',
      'batch p.load': 'headrace-core',
    })
    const byId = new Map(whole.map(({ span }) => [span.spanId, span]))
    const parents = whole.map(({ span }) => [span.name, byId.get(span.parentSpanId ?? '')?.name])
    expect(Object.fromEntries(parents)).toEqual({
      record: undefined,
      buffer: 'record',
      link: 'record',
      ingress: 'link',
      analysers: 'record',
      'batch p.load': 'record',
    })
    for (const { span } of whole) expect(BigInt(span.endTimeUnixNano) >= BigInt(span.startTimeUnixNano)).toBe(true)
    const sequences = whole.map(({ span }) => span.attributes.find(({ key }) => key === 'headrace.sequence')?.value.stringValue)
    expect(new Set(sequences).size).toBe(1)
  } finally {
    await edge.stop()
    await core.stop()
  }
}, 60_000)

describe('a collector', () => {
  /** One whose waits are short. */
  const clock: Clock = { ...systemClock, after: (ms, call, kind) => systemClock.after(ms / 20, call, kind) }
  const exporter = (logger = silentLogger) => new OtlpExporter({ url, service: 's', instance: 'i', version: '0', clock, logger })
  const step = (sequence: number) => ({ source: 'g/s', sequence, name: 'record', fromMs: 1, toMs: 2 })

  test('that is away for a moment has its spans afterwards', async () => {
    answers = [503]
    const to = exporter()
    to.add(() => [step(1)])
    to.start()
    await until('they came', () => spans.length === 1)
    await to.stop()
    expect(to.dropped).toBe(0)
  })

  test('that stays away costs its spans, and no memory', async () => {
    const to = exporter()
    for (let number = 0; number < 600; number++) to.add(() => [step(number)])
    expect(to.dropped).toBe(88)
    await to.stop()
    expect(spans).toHaveLength(512)
  })

  test('that refuses what it is sent is spoken of once, and what it refused is counted: nobody was told of a wrong address', async () => {
    const said: string[] = []
    const to = exporter({ ...silentLogger, warn: (_fields, message) => void said.push(message) })
    answers = [404, 404]
    to.start()
    for (const refused of [1, 2]) {
      to.add(() => [step(refused)])
      await until('it was refused', () => to.dropped === refused)
    }
    to.add(() => [step(3)])
    await until('it takes them again', () => spans.length === 1)
    await to.stop()
    expect(said).toEqual([
      `spans could not be sent to ${new URL(url).host}: it answered 404, and what it refuses is not sent again`,
    ])
  })

  test('has all spans of what waited, also where they are more than go into one request: those beyond it were lost, and not counted', async () => {
    const to = exporter()
    for (let number = 0; number < 500; number++) to.add(() => [0, 1, 2, 3, 4, 5].map(part => step(number * 10 + part)))
    to.start()
    await until('all came', () => spans.length === 3_000)
    await to.stop()
    expect(to.dropped).toBe(0)
  })
})
