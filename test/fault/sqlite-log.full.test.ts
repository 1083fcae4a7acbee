import { randomBytes } from 'node:crypto'
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { freePort } from '../../hardware/simulators/free-port.ts'
import type { EdgeStatus } from '../../src/cli/edge-status.ts'
import { control } from '../../src/console/control-client.ts'
import { decodeBatch } from '../../src/record/batch-reader.ts'
import { PAYLOAD_BYTES_MAX, seedOf, writePayload } from '../../src/source/generator-payload.ts'
import { HeadraceProcess } from '../support/headrace-process.ts'
import { SeededRandom, seedOfRun } from '../support/random.ts'
import { until } from '../support/until.ts'
import { type ConsumedRecord, check } from './checker.ts'
import { SmallFileSystem } from './faults/file-systems.ts'
import type { CoreStatus } from './plant.ts'

const GATEWAY = 'plant-a-1'
const SOURCES = ['counter-1', 'counter-2', 'counter-3']
const RECORDS = 6_000
const RECORDS_PER_SECOND = 400
const MOVE_LIMIT_MS = 120_000
const PAGE_BYTES = 4_096
/** Room for all of it, and not for much more. */
const DISK_KIB = 24 * 1024
const seed = seedOfRun('damage to the SQLite log')

/** A gateway before a core with the embedded log: two processes, and files that are hurt between them. */
class Small {
  readonly folder = mkdtempSync(join(tmpdir(), 'headrace-sqlite-log-'))
  readonly edge: HeadraceProcess
  readonly core: HeadraceProcess
  readonly random = new SeededRandom(seed)
  readonly #coreState: string

  private constructor(port: number, coreState?: string) {
    this.#coreState = coreState ?? this.path('core')
    const sources = SOURCES.map(
      source =>
        `  ${source}: { generator: { records_per_second: ${RECORDS_PER_SECOND}, count: ${RECORDS}, seed: ${seed % 1_000_000} } }\n`,
    )
    writeFileSync(this.path('pipeline.yaml'), `pipeline: plant\ndurability: 20ms\nsources:\n${sources.join('')}`)
    writeFileSync(
      this.path('core.yaml'),
      `state: ${this.#coreState}\nlog: { sqlite: {} }\ningress: { listen: "amqp://127.0.0.1:${port}" }\n`,
    )
    writeFileSync(
      this.path('edge.yaml'),
      `gateway: ${GATEWAY}\nstate: ${this.path('edge')}\nuplink: { url: "amqp://127.0.0.1:${port}" }\npipelines: [pipeline.yaml]\n`,
    )
    for (const role of ['edge', 'core']) mkdirSync(this.path(role))
    const process = (role: string) =>
      new HeadraceProcess({
        name: role,
        args: [role, '--config', this.path(`${role}.yaml`)],
        logPath: this.path(`${role}.log`),
      })
    this.edge = process('edge')
    this.core = process('core')
  }

  static async start(coreState?: string): Promise<Small> {
    const small = new Small(await freePort(), coreState)
    small.core.start()
    small.edge.start()
    await small.moves()
    // What the registry says is in the file itself from here on, and not in its write-ahead log.
    await small.core.stop()
    small.core.start()
    await small.moves()
    return small
  }

  path(name: string): string {
    return join(this.folder, name)
  }

  get log(): string {
    return join(this.#coreState, 'core/log.db')
  }

  edgeStatus(): Promise<EdgeStatus | undefined> {
    return control<EdgeStatus>(this.path('edge/edge/control.sock'), 'status').catch(() => undefined)
  }

  coreStatus(): Promise<CoreStatus | undefined> {
    return control<CoreStatus>(join(this.#coreState, 'core/control.sock'), 'status').catch(() => undefined)
  }

  async settled(): Promise<number> {
    const status = await this.edgeStatus()
    return status && status.sources.length > 0 ? Math.min(...status.sources.map(({ settled }) => settled)) : -1
  }

  async moves(records = 300): Promise<void> {
    const { from } = await until('the gateway says how far it is', async () => {
      const from = await this.settled()
      return from >= 0 && { from }
    })
    await until('it moves', async () => (await this.settled()) >= Math.min(from + records, RECORDS), MOVE_LIMIT_MS)
  }

  /** Takes the files of the log away, and puts others there, or none. */
  replaceLog(by?: string): void {
    for (const end of ['', '-wal', '-shm']) {
      rmSync(`${this.log}${end}`, { force: true })
      if (by && existsSync(`${by}${end}`)) cpSync(`${by}${end}`, `${this.log}${end}`)
    }
  }

  /** All that the devices gave lies in the log, once, in order, at its number: read with SQLite alone. */
  async proven(): Promise<void> {
    // The log itself says so: what the gateway knows may be older than what was done to it.
    await until(
      'all is in the log',
      async () => {
        const sources = (await this.coreStatus().catch(() => undefined))?.sources ?? []
        return sources.length === SOURCES.length && sources.every(({ next }) => next === RECORDS)
      },
      MOVE_LIMIT_MS,
    )
    const db = new Database(this.log, { readonly: true })
    const rows = db
      .prepare<[], { partition: number; data: Buffer }>(
        'SELECT p.partition, b.data FROM batches b JOIN partitions p ON p.number = b.partition ORDER BY b.partition, b.last',
      )
      .all()
    db.close()
    const records: ConsumedRecord[] = rows.flatMap(({ partition, data }) =>
      decodeBatch(data).map(({ sequence, key, value, headers }) => ({
        partition,
        offset: sequence,
        key: key?.toString() ?? null,
        value,
        headers: Object.fromEntries(headers.map(header => [header.key, header.value.toString()])),
      })),
    )
    const status = await this.edgeStatus()
    const partitions = new Map(status?.sources.map(({ source, partition }) => [source, partition ?? -1]))
    const sources = new Map(
      SOURCES.map(source => {
        const own = seedOf(seed % 1_000_000, source)
        const scratch = Buffer.alloc(PAYLOAD_BYTES_MAX)
        const payload = (number: number) => Buffer.from(scratch.subarray(0, writePayload('meter', own, number, 0, scratch, 0)))
        return [`${GATEWAY}/${source}`, { partition: partitions.get(source) ?? -1, records: RECORDS, payload }] as const
      }),
    )
    expect(check({ sources }, records)).toMatchObject({ lost: 0, repeated: 0, outOfOrder: 0, declaredLost: 0, findings: [] })
  }

  async end(): Promise<void> {
    await this.edge.end()
    await this.core.end()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

describe('the SQLite log is hurt, and the gateway sends again what it lacks', () => {
  let small: Small
  beforeEach(async () => {
    small = await Small.start()
  })
  afterEach(() => small?.end())

  test('an older copy of it is put in its place', async () => {
    await small.core.stop()
    cpSync(small.log, small.path('copy.db'))
    small.core.start()
    await small.moves(600)
    await small.core.kill9()
    small.replaceLog(small.path('copy.db'))
    small.core.start()
    await small.proven()
  })

  const harms: Record<string, (wal: string, random: SeededRandom) => void> = {
    removed: wal => rmSync(wal),
    truncated: wal => truncateSync(wal, Math.floor(statSync(wal).size / 2)),
    'turned over in places': (wal, random) => {
      const bytes = readFileSync(wal)
      for (let place = 0; place < 40; place++) {
        const at = random.between(32, bytes.length)
        bytes[at] = ~(bytes[at] ?? 0) & 255
      }
      writeFileSync(wal, bytes)
    },
  }

  test.each(Object.entries(harms))('its write-ahead log is %s after a kill -9', async (_how, harm) => {
    await small.core.kill9()
    harm(`${small.log}-wal`, small.random)
    small.core.start()
    await small.proven()
  })

  test('its pages are damaged while it runs: status says so by name, with what to do, and that helps', async () => {
    await small.core.stop()
    cpSync(small.log, small.path('copy.db'))
    small.core.start()
    await small.moves(600)
    const file = openSync(small.log, 'r+')
    writeSync(file, randomBytes(statSync(small.log).size - PAGE_BYTES), 0, undefined, PAGE_BYTES)
    closeSync(file)
    // What SQLite has in memory lasts for a while; a core that is started again has nothing in memory.
    await small.core.kill9()
    rmSync(`${small.log}-wal`)
    small.core.start()
    const said = await until(
      'a person is told',
      async () => {
        const alarms = ((await small.coreStatus())?.alarms ?? []) as readonly { code: string; advice: string }[]
        const inLog = readFileSync(small.path('core.log'), 'utf8')
        return alarms.find(({ code }) => code === 'log_damaged')?.advice ?? (inLog.includes('backup of the file') && inLog)
      },
      60_000,
    )
    expect(said).toContain('backup')
    await small.core.kill9()
    small.replaceLog(small.path('copy.db'))
    small.core.start()
    await small.proven()
  })
})

describe.skipIf(process.getuid?.() !== 0)('the file system of the core is full, with the SQLite log on it', () => {
  let disk: SmallFileSystem
  let small: Small | undefined
  beforeEach(async () => {
    disk = new SmallFileSystem(DISK_KIB)
    small = await Small.start(disk.path)
  })
  afterEach(async () => {
    await small?.end()
    disk.unmount()
  })

  test('nobody was told: status says so, what comes waits at the gateway, also through a kill -9, and goes on by itself', async () => {
    const alarms = async () => ((await small?.coreStatus())?.alarms ?? []) as readonly { code: string; advice: string }[]
    const isTold = async () => (await alarms()).find(({ code }) => code === 'log_unwritable')
    disk.fill()
    const { advice } = await until('a person is told', isTold, 60_000)
    expect(advice).toContain('Free space')
    disk.empty()
    await until('it is over', async () => small?.core.running && !(await isTold()), 60_000)
    await small?.moves()
    disk.fill()
    await until('a person is told again', isTold, 60_000)
    await small?.core.kill9()
    disk.empty()
    small?.core.start()
    await small?.proven()
  })
})
