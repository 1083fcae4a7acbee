import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openEdgeBuffer } from '../../src/buffer/open.ts'
import type { EdgeStatus } from '../../src/cli/edge-status.ts'
import { controlPath } from '../../src/cli/state-paths.ts'
import { control } from '../../src/console/control-client.ts'
import { Alarms } from '../../src/runtime/alarms.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { HeadraceProcess } from '../support/headrace-process.ts'
import { until } from '../support/until.ts'

const RECORDS = 60
/** At which a stop would be given up. */
const STOP_LIMIT_MS = 14_000

let folder: string
let edge: HeadraceProcess
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-stopping-'))
  const config = join(folder, 'edge.yaml')
  writeFileSync(
    config,
    `gateway: g\nstate: ${folder}/edge\nuplink: { url: "amqp://127.0.0.1:1" }\nbuffer: { quota: 1MiB }\npipelines: [p.yaml]\n`,
  )
  edge = new HeadraceProcess({ name: 'edge', args: ['edge', '--config', config], logPath: join(folder, 'log') })
})
afterEach(async () => {
  await edge.end()
  rmSync(folder, { recursive: true, force: true })
})

function begin(pipeline: string): void {
  writeFileSync(join(folder, 'p.yaml'), `pipeline: p\n${pipeline}`)
  edge.start()
}

async function sourceOf(name: string): Promise<EdgeStatus['sources'][number] | undefined> {
  const status = await control<EdgeStatus>(controlPath(join(folder, 'edge'), 'edge'), 'status').catch(() => undefined)
  return status?.sources.find(({ source }) => source === name)
}

/** Whether it has begun, and reads nothing more. */
async function waits(source: string): Promise<boolean> {
  const before = (await sourceOf(source))?.read ?? 0
  await new Promise(resolve => setTimeout(resolve, 500))
  return before > 0 && (await sourceOf(source))?.read === before
}

/** Records of a source that its state directory holds. */
async function stored(source: string): Promise<number> {
  const buffer = await openEdgeBuffer({
    stateDir: join(folder, 'edge', 'edge'),
    gateway: 'g',
    quotaBytes: 2 ** 20,
    rewindBytes: 2 ** 20,
    sources: [],
    clock: systemClock,
    random: Math.random,
    log: silentLogger,
    alarms: new Alarms(systemClock),
    worker: 'inline',
  })
  const records = buffer.outlet(source)?.buffered().records ?? 0
  await buffer.close()
  return records
}

test('a gateway that is stopped does not wait for its durability: it was killed after fifteen seconds, and what the last minute had brought was lost', async () => {
  begin(`durability: 60s\nsources: { meter: { generator: { records_per_second: 100, count: ${RECORDS} } } }\n`)
  await until('all were read', async () => (await sourceOf('meter'))?.read === RECORDS)
  expect(await edge.stop(STOP_LIMIT_MS)).toBe(0)
  expect(await stored('meter')).toBe(RECORDS)
})

test('one whose buffer is full stops too, with what there is room for: it waited for room that nobody made', async () => {
  begin(`durability: 10ms\nsources: { fast: { generator: { records_per_second: 0 } } }\n`)
  await until('it waits', () => waits('fast'))
  expect(await edge.stop(STOP_LIMIT_MS)).toBe(0)
  expect(await stored('fast')).toBeGreaterThan(0)
})

test('a source that ends only when all of it is on disk, where there is no room, does not keep the gateway from its last commit', async () => {
  const files = join(folder, 'files')
  mkdirSync(files)
  for (let file = 0; file < 80; file++) writeFileSync(join(files, `${file}.txt`), `${randomBytes(25_000).toString('hex')}\n`)
  begin(`durability: 10ms\nsources: { files: { directory: { path: ${files}, afterwards: delete } } }\n`)
  await until('it waits', () => waits('files'))
  expect(await edge.stop(STOP_LIMIT_MS)).toBe(0)
  expect(await stored('files')).toBeGreaterThan(0)
})
