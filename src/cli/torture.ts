import { randomBytes } from 'node:crypto'
import { rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { control } from '../console/control-client.ts'
import type { Point } from '../doctor/flatness.ts'
import { sampleProcess } from '../doctor/process-sample.ts'
import { type Given, readBack } from '../doctor/read-back.ts'
import { type Fault, type Judgement, type RunReport, renderReport, reportJson } from '../doctor/report.ts'
import { ScratchLink, ScratchProcess, unusedPort } from '../doctor/scratch-process.ts'
import { openLog } from '../log/open.ts'
import { pause, systemClock } from '../runtime/clock.ts'
import { makeFolder } from '../runtime/durable-folder.ts'
import { HeadraceError } from '../runtime/errors.ts'
import { silentLogger } from '../runtime/logger.ts'
import { mix, PAYLOAD_BYTES_MAX, seedOf, writePayload } from '../source/generator-payload.ts'
import type { EdgeStatus } from './edge-status.ts'
import { controlPath } from './state-paths.ts'
import { type TortureSubject, tortureSubject } from './torture-subject.ts'

const SOURCES = 4
const RECORDS_PER_SECOND = 200
const FAULTS = ['gateway killed', 'core killed', 'core frozen', 'link cut', 'gateway frozen'] as const
/** Longer than every time-out. */
const FREEZE_MS = 6_000
const PAUSE_MS = 1_500
const LOOK_EVERY_MS = 500
const START_LIMIT_MS = 60_000
const DRAIN_LIMIT_MS = 120_000

export interface TortureOptions {
  readonly config: string
  /** Where state lies, for a pipeline file, which does not say. */
  readonly state: string
  readonly forMs: number
  readonly out: string
  readonly consent: boolean
  readonly seed: number
  readonly say: (text: string) => void
}

/** Runs a scratch gateway and a scratch core before the user's log, under faults; undefined where the user has not agreed. */
export async function torture(options: TortureOptions): Promise<RunReport | undefined> {
  const subject = tortureSubject(options.config, options.state)
  const id = randomBytes(3).toString('hex')
  const scratch = new Scratch(subject, id, options)
  for (const line of scratch.plan()) options.say(line)
  if (!options.consent) throw new HeadraceError('config_invalid', 'nothing was done', { advice: 'With --yes it is done.' })
  try {
    const report = await scratch.run()
    const out = resolve(options.out)
    makeFolder(out)
    writeFileSync(join(out, 'report.html'), renderReport(report))
    writeFileSync(join(out, 'report.json'), `${JSON.stringify(reportJson(report), null, 1)}\n`)
    for (const { what, verdict, detail } of report.judgements) options.say(`${verdict}: ${what} (${detail})`)
    options.say(`report: ${join(out, 'report.html')}`)
    return report
  } finally {
    await scratch.end()
  }
}

class Scratch {
  readonly #subject: TortureSubject
  readonly #options: TortureOptions
  readonly #folder: string
  readonly #gateway: string
  readonly #topic: string
  readonly #records: number
  readonly #processes: ScratchProcess[] = []
  readonly #faults: Fault[] = []
  readonly #points = new Map<string, Point[]>()
  #link: ScratchLink | undefined

  constructor(subject: TortureSubject, id: string, options: TortureOptions) {
    this.#subject = subject
    this.#options = options
    this.#folder = join(resolve(subject.state), `torture-${id}`)
    this.#gateway = `torture-${id}`
    this.#topic = `headrace-torture-${id}`
    this.#records = Math.floor(options.forMs / 1_000) * RECORDS_PER_SECOND
  }

  plan(): string[] {
    const { kafka } = this.#subject
    const where = kafka
      ? `the Kafka of this configuration, as topic ${this.#topic}`
      : `a SQLite log of its own in ${this.#folder}`
    return [
      `Starts a scratch gateway ${this.#gateway} and a scratch core on this machine, with their state in ${this.#folder}.`,
      `${SOURCES} generators give ${this.#records} records each, into ${where}.`,
      `For ${Math.round(this.#options.forMs / 1_000)} s these two are killed, frozen and cut from each other (seed ${this.#options.seed}); nothing else is touched.`,
      kafka
        ? `Then the records are read back and compared, and the topic and the folder are deleted. ${SOURCES} entries in headrace.claims stay.`
        : 'Then the records are read back and compared, and the folder is deleted.',
    ]
  }

  async run(): Promise<RunReport> {
    const [edge, core] = await this.#start()
    await this.#until('the first record is in the log', START_LIMIT_MS, status =>
      status.sources.some(({ settled }) => settled > 0),
    )
    const started = new Date().toISOString()
    const startMs = performance.now()
    const sampler = setInterval(() => void this.#sample(performance.now() - startMs), LOOK_EVERY_MS)
    try {
      await this.#strike(edge, core, startMs)
      await this.#until('all records are in the log', DRAIN_LIMIT_MS, status =>
        status.sources.every(({ settled }) => settled >= this.#records),
      )
    } finally {
      clearInterval(sampler)
    }
    const lastedMs = performance.now() - startMs
    for (const process of this.#processes) await process.kill()
    const series = (names: readonly string[]) => names.map(name => ({ name, points: this.#points.get(name) ?? [] }))
    return {
      title: 'Torture',
      command: `headrace doctor --torture --config ${this.#options.config} --for ${Math.round(this.#options.forMs / 1_000)}s --seed ${this.#options.seed} --yes`,
      seed: this.#options.seed,
      started,
      lastedMs,
      facts: {
        log: this.#subject.kafka ? 'Kafka' : 'SQLite',
        sources: SOURCES,
        'records of each': this.#records,
        faults: this.#faults.length,
      },
      figures: [
        { title: 'Load', unit: 'records/s settled', series: series(['settled']) },
        { title: 'Memory', unit: 'MiB resident', series: series(['gateway', 'core']) },
      ],
      faults: this.#faults,
      judgements: await this.#readBack(),
    }
  }

  /** Ends everything and deletes what was made. */
  async end(): Promise<void> {
    for (const process of this.#processes) await process.end()
    await this.#link?.close()
    const { kafka } = this.#subject
    if (kafka) {
      const { deleteTopic } = await import('../log/kafka/topics.ts')
      await deleteTopic(kafka, this.#topic, systemClock)
    }
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #start(): Promise<[ScratchProcess, ScratchProcess]> {
    const port = await unusedPort()
    this.#link = await ScratchLink.open(port)
    for (const role of ['edge', 'core']) makeFolder(join(this.#folder, role), 0o750)
    const generator = { records_per_second: RECORDS_PER_SECOND, count: this.#records, seed: this.#payloadSeed() }
    const sources = Object.fromEntries(Array.from({ length: SOURCES }, (_, index) => [`source-${index}`, { generator }]))
    const { kafka, buffer, durability } = this.#subject
    const files = {
      'pipeline.yaml': { pipeline: this.#topic, durability, sources },
      'edge.yaml': {
        gateway: this.#gateway,
        state: this.#folder,
        uplink: { url: `amqp://127.0.0.1:${this.#link.port}` },
        ...(buffer && { buffer }),
        pipelines: ['pipeline.yaml'],
      },
      'core.yaml': {
        name: this.#gateway,
        state: this.#folder,
        log: kafka ? { kafka } : { sqlite: {} },
        ingress: { listen: `amqp://127.0.0.1:${port}` },
      },
    }
    // JSON is YAML.
    for (const [name, content] of Object.entries(files))
      writeFileSync(join(this.#folder, name), JSON.stringify(content), { mode: 0o600 })
    const main = fileURLToPath(new URL('./main.ts', import.meta.url))
    const make = (name: string, role: string) =>
      new ScratchProcess(name, [main, role, '--config', join(this.#folder, `${role}.yaml`)], join(this.#folder, `${role}.log`))
    const pair: [ScratchProcess, ScratchProcess] = [make('gateway', 'edge'), make('core', 'core')]
    this.#processes.push(...pair)
    for (const process of pair) process.start()
    return pair
  }

  #payloadSeed(): number {
    return this.#options.seed % 1_000_000
  }

  async #strike(edge: ScratchProcess, core: ScratchProcess, startMs: number): Promise<void> {
    const endMs = startMs + this.#options.forMs
    for (let turn = 0; performance.now() < endMs; turn++) {
      await pause(systemClock, PAUSE_MS + (mix(this.#options.seed, turn) % PAUSE_MS))
      // Each comes once before any comes again; where they begin is the seed's.
      const what = FAULTS[(turn + this.#options.seed) % FAULTS.length] ?? 'link cut'
      const atMs = performance.now() - startMs
      if (what === 'link cut') this.#link?.cut()
      const struck = what.startsWith('gateway') ? edge : core
      if (what.endsWith('killed')) {
        await struck.kill()
        struck.start()
      } else if (what.endsWith('frozen')) {
        struck.signal('SIGSTOP')
        await pause(systemClock, FREEZE_MS)
        struck.signal('SIGCONT')
      }
      this.#faults.push({ atMs, lastedMs: performance.now() - startMs - atMs, what })
      this.#options.say(`${Math.round(atMs / 1_000)} s: ${what}`)
    }
  }

  #status(): Promise<EdgeStatus | undefined> {
    return control<EdgeStatus>(controlPath(this.#folder, 'edge'), 'status').catch(() => undefined)
  }

  async #until(what: string, limitMs: number, holds: (status: EdgeStatus) => boolean): Promise<void> {
    const end = performance.now() + limitMs
    for (;;) {
      const status = await this.#status()
      if (status && status.sources.length > 0 && holds(status)) return
      if (performance.now() > end) throw new HeadraceError('timeout', `waited ${limitMs / 1_000} s in vain: ${what}`)
      await pause(systemClock, LOOK_EVERY_MS)
    }
  }

  async #sample(atMs: number): Promise<void> {
    const add = (name: string, value: number) => this.#points.set(name, [...(this.#points.get(name) ?? []), [atMs, value]])
    for (const { name, pid } of this.#processes) {
      const sample = pid === undefined ? undefined : sampleProcess(pid)
      if (sample) add(name, sample.rssMib)
    }
    const status = await this.#status()
    const settled = status?.sources.reduce((sum, source) => sum + source.settled, 0)
    const before = this.#points.get('total')?.at(-1)
    if (settled === undefined) return
    add('total', settled)
    if (before && atMs > before[0]) add('settled', Math.max(0, ((settled - before[1]) * 1_000) / (atMs - before[0])))
  }

  async #readBack(): Promise<Judgement[]> {
    const { kafka } = this.#subject
    const log = await openLog(kafka ? { kafka } : { sqlite: {} }, {
      stateDir: join(this.#folder, 'core'),
      clock: systemClock,
      random: Math.random,
      log: silentLogger,
    })
    try {
      const given = (await log.claims())
        .filter(({ source }) => source.gateway === this.#gateway)
        .map((claim): Given => {
          const own = seedOf(this.#payloadSeed(), claim.source.source)
          const into = Buffer.alloc(PAYLOAD_BYTES_MAX)
          return {
            claim,
            records: this.#records,
            payload: number => into.subarray(0, writePayload('meter', own, number, 0, into, 0)),
          }
        })
      return await readBack(log, given)
    } finally {
      await log.close()
    }
  }
}
