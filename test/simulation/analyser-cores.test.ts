import { expect, test } from 'vitest'
import type { Alert } from '../../src/analyser/analyser.ts'
import { condition } from '../../src/analyser/condition.ts'
import type { Claim, Log } from '../../src/log/log.ts'
import { PollingFollower } from '../../src/log/polling-follower.ts'
import { type AnalyserDefinition, SHARDS } from '../../src/reader/realtime/definition.ts'
import { AnalyserRunner } from '../../src/reader/realtime/runner.ts'
import { Alarms } from '../../src/runtime/alarms.ts'
import { HeadraceError } from '../../src/runtime/errors.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import type { SourceId } from '../../src/runtime/names.ts'
import { readRecords, writeRecords } from '../support/log-writer.ts'
import { MemoryLog } from '../support/memory-log.ts'
import { SeededRandom } from '../support/random.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'

const TOPIC = 'presses'
const SOURCES: SourceId[] = Array.from({ length: 6 }, (_, index) => ({ gateway: 'plant-b', source: `press-${index}` }))
/** Where the simulated wall clock begins: the clock closes no window, records do. */
const START_MS = 1_767_225_600_000
const STREAM: SourceId = { gateway: 'analysers', source: 'press-1s' }

function definitions(): AnalyserDefinition[] {
  const common = { topic: TOPIC, sources: ['press-*'], per: 'source', fingerprint: 'x' } as const
  const windows = condition.options.parse({ every: '1s', patience: '10d', values: { n: 'records()', total: 'sum(bar)' } })
  const high = condition.options.parse({ when: 'bar > 90' })
  return [
    {
      ...common,
      id: 'p.windows',
      name: 'windows',
      open: condition.open(windows),
      sinks: [],
      stream: { source: 'press-1s', topic: TOPIC, fieldsOf: () => ({}) },
    },
    { ...common, id: 'p.high', name: 'high', open: condition.open(high), sinks: ['phone'] },
  ]
}

/** A core as a frozen process is: whatever it asked for, it learns nothing and does nothing until it is woken. */
class Core {
  readonly runner: AnalyserRunner
  readonly told: string[] = []
  #frozen: { promise: Promise<void>; resolve: () => void } | undefined

  constructor(name: string, run: number, { log, clock, renew, fault }: CoreWorld) {
    const thawed = async () => {
      while (this.#frozen) await this.#frozen.promise
    }
    const gated: Log = new Proxy(log, {
      get: (target, method) => {
        // What it follows, it follows by what is gated as well.
        if (method === 'follower') return () => new PollingFollower(gated)
        const call =
          method === 'renewEpoch' ? renew : (target[method as keyof Log] as (...args: unknown[]) => unknown).bind(target)
        return async (...args: [never]) => {
          await thawed()
          const fails = fault()
          if (fails === 'before') throw new HeadraceError('log_unavailable', 'the log is away')
          const answer = await call(...args)
          if (fails === 'after') throw new HeadraceError('log_unavailable', 'the log does not answer')
          if (fails) await new Promise<void>(resolve => clock.after(fails.lateMs, resolve))
          await thawed()
          return answer
        }
      },
    })
    const deliver = async (alert: { key: string }) => {
      await thawed()
      this.told.push(alert.key)
    }
    this.runner = new AnalyserRunner({
      log: gated,
      definitions: definitions(),
      sinks: new Map([['phone', { deliver }]]),
      owner: { core: name, instance: `${name}-${run}` },
      clock,
      random: Math.random,
      logger: silentLogger,
      alarms: new Alarms(clock),
      onAlert: (_alert: Alert) => {},
    })
  }

  freeze(): void {
    this.#frozen = Promise.withResolvers<void>()
  }

  wake(): void {
    this.#frozen?.resolve()
    this.#frozen = undefined
  }
}

/** What goes wrong with one call of a core to its log: it is not carried out, it is and nobody says so, or the answer is late. */
type CallFault = 'before' | 'after' | { readonly lateMs: number } | undefined

interface CoreWorld {
  readonly log: Log
  readonly clock: SimulatedClock
  readonly renew: (source: SourceId) => Promise<Claim>
  readonly fault: () => CallFault
}

class Works {
  /** Of a hundred calls so many go wrong. */
  faults = 0
  /** How long a core waits for each answer of its log, beside what the log takes. */
  answersAfterMs: number | undefined
  readonly clock = new SimulatedClock()
  readonly log = new MemoryLog(this.clock)
  readonly cores: Core[] = []
  readonly #written = new Map<string, number[]>()
  readonly #random: SeededRandom
  readonly #renewing = new Map<string, Promise<Claim>>()

  constructor(seed: number) {
    this.#random = new SeededRandom(seed)
  }

  start(name: string): Core {
    const { log, clock } = this
    const core = new Core(name, this.cores.length, {
      log,
      clock,
      renew: source => this.#renew(source),
      fault: () => this.#fault(),
    })
    this.cores.push(core)
    core.runner.start()
    return core
  }

  #fault(): CallFault {
    if (this.answersAfterMs !== undefined) return { lateMs: this.answersAfterMs }
    if (this.#random.between(1, 100) > this.faults) return undefined
    return this.#random.pick(['before', 'after', { lateMs: this.#random.between(1, 3_000) }] as const)
  }

  /** Two that ask in one moment are given the same epoch: the second sees the first's entry and takes it for its own. */
  #renew(source: SourceId): Promise<Claim> {
    const key = source.source
    const renewing = this.#renewing.get(key) ?? this.log.renewEpoch(source).finally(() => this.#renewing.delete(key))
    this.#renewing.set(key, renewing)
    return renewing
  }

  /** Lets time pass until `work` is done. */
  async during<T>(work: Promise<T>): Promise<T> {
    let isDone = false
    work.then(
      () => {
        isDone = true
      },
      () => {
        isDone = true
      },
    )
    expect(await this.clock.passUntil(() => isDone, 60_000)).toBe(true)
    return work
  }

  async write(count: number): Promise<void> {
    for (const source of SOURCES) {
      const bars = this.#written.get(source.source) ?? []
      const fresh = Array.from({ length: count }, () => this.#random.between(0, 100))
      const records = fresh.map((bar, index) => ({ timeMs: START_MS + (bars.length + index) * 100, value: { bar } }))
      await this.during(writeRecords(this.log, source, TOPIC, records))
      this.#written.set(source.source, [...bars, ...fresh])
    }
  }

  shards(): number[] {
    return this.cores.map(({ runner }) => runner.shards.length)
  }

  async settled(...fair: number[]): Promise<void> {
    const isShared = () => {
      const all = this.cores.flatMap(({ runner }) => runner.shards)
      return all.length === SHARDS && this.shards().every((count, index) => count >= (fair[index] ?? 0))
    }
    expect(await this.clock.passUntil(isShared, 60_000), `shards ${this.shards()}`).toBe(true)
  }

  /** Each window once, in order, at its number; each alert told. */
  async verify(): Promise<void> {
    await this.clock.pass(15_000)
    const records = await this.during(readRecords(this.log, STREAM))
    const derived = records.map(({ value }) => JSON.parse(value?.toString() ?? 'null') as { source: string; from_ms: number })
    expect(records.map(({ headers }) => headers.find(({ key }) => key === 'seq')?.value.toString())).toEqual(
      records.map((_, index) => `${index}`),
    )
    const told = new Set(this.cores.flatMap(core => core.told))
    for (const [source, bars] of this.#written) {
      const windows = Array.from({ length: Math.floor((bars.length - 1) / 10) }, (_, index) => {
        const total = bars.slice(index * 10, index * 10 + 10).reduce((a, b) => a + b, 0)
        return {
          gateway: 'plant-b',
          source,
          from_ms: START_MS + index * 1_000,
          to_ms: START_MS + (index + 1) * 1_000,
          n: 10,
          total,
        }
      })
      expect(derived.filter(value => value.source === source)).toEqual(windows)
      const raised = bars.flatMap((bar, at) =>
        bar > 90 && (bars[at - 1] ?? 0) <= 90 ? [`p.high:plant-b/${source}:${START_MS + at * 100}:raised`] : [],
      )
      for (const key of raised) expect(told).toContain(key)
    }
  }

  async end(): Promise<void> {
    for (const core of this.cores) core.wake()
    await this.during(Promise.all(this.cores.map(({ runner }) => runner.stop())))
  }
}

test('two cores that start in one moment share the shards, though some of their epochs were the same', async () => {
  const works = new Works(1)
  works.start('core-a')
  works.start('core-b')
  await works.settled(3, 3)
  await works.write(35)
  await works.verify()
  await works.end()
})

test('a core that is frozen is taken over from with its windows; when it wakes it writes nothing, and gets a share again', async () => {
  const works = new Works(2)
  const first = works.start('core-a')
  works.start('core-b')
  await works.settled(3, 3)
  await works.write(27)
  await works.clock.pass(300)
  first.freeze()
  await works.write(31)
  await works.verify()
  expect(works.cores[1]?.runner.shards).toHaveLength(SHARDS)
  first.wake()
  await works.settled(3, 3)
  await works.write(18)
  await works.verify()
  await works.end()
})

test('a core that ends gives its shards up at once', async () => {
  const works = new Works(3)
  const first = works.start('core-a')
  const second = works.start('core-b')
  await works.settled(3, 3)
  await works.write(12)
  await works.during(first.runner.stop())
  await works.clock.pass(2_500)
  expect(second.runner.shards).toHaveLength(SHARDS)
  await works.write(12)
  await works.verify()
  await works.during(second.runner.stop())
})

test('a source that comes while a core is taking its shards over is looked at from its beginning: analysers began at its end', async () => {
  const works = new Works(4)
  // As a busy broker is: before the shards are there, the source is, with all that will ever be said of it.
  works.answersAfterMs = 300
  works.start('core-a')
  await works.clock.pass(1_000)
  expect(works.shards()).toEqual([0])
  await works.write(31)
  expect(works.shards()).toEqual([0])
  await works.verify()
  await works.end()
})

const SEEDS = Array.from({ length: 12 }, (_, index) => index + 10)

test.each(SEEDS)(
  'a log that fails now and then delays what analysers say, and neither loses nor repeats any of it (seed %i)',
  async seed => {
    const works = new Works(seed)
    works.start('core-a')
    if (seed % 2 === 0) works.start('core-b')
    await works.settled()
    works.faults = 20
    for (let part = 0; part < 10; part++) {
      await works.write(7)
      await works.clock.pass(2_000)
    }
    works.faults = 0
    await works.verify()
    await works.end()
  },
)
