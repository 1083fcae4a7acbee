import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { EdgeBuffer, Outlet } from '../../src/buffer/buffer.ts'
import { DATABASE_FILE } from '../../src/buffer/database-files.ts'
import { openInlineStore } from '../../src/buffer/inline-store.ts'
import { BUFFER_LIMITS } from '../../src/buffer/limits.ts'
import { readMarks } from '../../src/buffer/marks.ts'
import { openEdgeBuffer } from '../../src/buffer/open.ts'
import type { Claim, Log } from '../../src/log/log.ts'
import { readRange } from '../../src/log/read-range.ts'
import { openSqliteLog } from '../../src/log/sqlite/sqlite-log.ts'
import { Ledger } from '../../src/reader/ledger.ts'
import { decodeBatch } from '../../src/record/batch-reader.ts'
import { Alarms } from '../../src/runtime/alarms.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { messageOf } from '../../src/runtime/errors.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { parsePlace } from '../../src/source/file-place.ts'
import { GATEWAY, LINES, POSTED } from './recording.ts'
import type { Told } from './told.ts'

const ASSIGNMENT = { log: 'log', topic: 'plant', partition: 0, producerId: 7, epoch: 0, epochStart: 0 } as const
const READ_BYTES = 2 ** 20
const QUIET_LIMIT_MS = 20_000

/** What is wrong with what a power cut left, seen through the code that opens it at the next start; nothing where all is well. */
export async function wrongWith(state: string, told: Told, lines: readonly string[]): Promise<string[]> {
  const wrong = await damagedBlocks(join(state, 'edge'))
  const alarms = new Alarms(systemClock)
  let log: Log | undefined
  let buffer: EdgeBuffer | undefined
  try {
    log = await openSqliteLog({ path: join(state, 'core', 'log.db'), clock: systemClock })
    buffer = await openEdgeBuffer({
      stateDir: join(state, 'edge'),
      gateway: GATEWAY,
      quotaBytes: 2 ** 30,
      rewindBytes: 2 ** 26,
      sources: [POSTED, LINES].map(source => ({ source, topic: 'plant', whenFull: 'block', priority: 0, durabilityMs: 0 })),
      clock: systemClock,
      random: Math.random,
      log: silentLogger,
      alarms,
      worker: 'inline',
    })
    if (existsSync(join(state, 'core', 'readers.db'))) new Ledger(join(state, 'core', 'readers.db')).close()
    for (const { code, message } of alarms.list()) wrong.push(`alarm ${code}: ${message}`)
    const marks = readMarks(join(state, 'edge', 'marks.json'))
    if (marks.session < told.session) wrong.push(`session ${told.session} was used, and ${marks.session} is what the disk knows`)
    const claims = await log.claims()
    for (const source of [POSTED, LINES]) {
      const claim = claims.find(each => each.source.source === source)
      const found = await valuesOf(source, { log, claim, buffer })
      wrong.push(...found.wrong.map(each => `${source}: ${each}`))
      if (source === POSTED) wrong.push(...lost(told.stored, found.values))
      else wrong.push(...outOfLine(found.values, lines, buffer.inlet(source).bookmark))
    }
  } catch (error) {
    wrong.push(`it cannot be opened: ${messageOf(error)}`)
  } finally {
    await buffer?.close()
    await log?.close()
  }
  return wrong
}

/** Each block that the database names is what was written, also what the log has already and is kept for a core that loses it. */
async function damagedBlocks(folder: string): Promise<string[]> {
  if (!existsSync(join(folder, DATABASE_FILE))) return []
  const options = {
    path: join(folder, DATABASE_FILE),
    marksPath: join(folder, 'marks.json'),
    quotaBytes: 2 ** 30,
    limits: BUFFER_LIMITS,
  }
  const store = openInlineStore(options)
  const blocks = [...store.opened.cut, ...(await store.scan(0, Number.MAX_SAFE_INTEGER))]
  const read = await store.read(blocks.map(({ id }) => id))
  await store.close()
  return read.flatMap(each => ('damaged' in each ? [`block ${each.id} is damaged: ${each.damaged}`] : []))
}

/** All values of a source: those in the log, and behind them those that the gateway would still send. */
async function valuesOf(
  source: string,
  { log, claim, buffer }: { log: Log; claim: Claim | undefined; buffer: EdgeBuffer },
): Promise<{ values: string[]; wrong: string[] }> {
  const wrong: string[] = []
  const outlet = buffer.outlet(source)
  if (!outlet) throw new Error(`the buffer does not know ${source}`)
  const next = claim ? (await log.end(claim)).next : 0
  if (outlet.settled > next) wrong.push(`numbers below ${outlet.settled} count as stored, and the log ends at ${next}`)
  if (outlet.next < next) wrong.push(`the log ends at ${next}, and the gateway gave away numbers below ${outlet.next} alone`)
  const last = claim && (await log.lastBatch(claim))
  const own = await outlet.batchBefore(next)
  if (last && own?.crc !== last.crc) wrong.push(`the log's last batch ${last.sequence} is not the one that the gateway cut`)
  if (wrong.length > 0 || (!claim && next > 0)) return { values: [], wrong }
  const values: string[] = []
  if (claim && next > 0) {
    const range = { topic: claim.topic, partition: claim.partition, from: 0, to: next }
    for await (const { batches } of readRange(log, [range], { maxBytes: READ_BYTES }))
      for (const batch of batches) values.push(...textsOf(batch))
  }
  outlet.settle(next)
  if (!outlet.assignment) await outlet.assign(ASSIGNMENT)
  values.push(...(await takeAll(buffer, outlet)))
  return { values, wrong }
}

/** What the link would send from here on. */
async function takeAll(buffer: EdgeBuffer, outlet: Outlet): Promise<string[]> {
  const { records } = outlet.buffered()
  const values: string[] = []
  await new Promise<void>((resolve, reject) => {
    const limit = setTimeout(() => reject(new Error(`${values.length} of ${records} records came`)), QUIET_LIMIT_MS)
    const take = () => {
      for (let batch = outlet.take(); batch; batch = outlet.take()) values.push(...textsOf(batch.bytes))
      if (values.length < records) return
      clearTimeout(limit)
      resolve()
    }
    buffer.attachLink(take)
    take()
  })
  buffer.detachLink()
  return values
}

function textsOf(batch: Buffer): string[] {
  return decodeBatch(batch).map(({ value }) => value?.toString('utf8') ?? '(nothing)')
}

function lost(stored: ReadonlySet<string>, values: readonly string[]): string[] {
  const there = new Set(values)
  const missing = [...stored].filter(value => !there.has(value))
  const wrong =
    missing.length > 0 ? [`${POSTED}: ${missing.length} values are lost whose sender was told that they are stored`] : []
  return there.size === values.length ? wrong : [...wrong, `${POSTED}: values are there twice`]
}

/** A file that is followed: its lines from the first one on, in order, and the bookmark behind the last one. */
function outOfLine(values: readonly string[], lines: readonly string[], bookmark: string | undefined): string[] {
  const at = values.findIndex((value, index) => value !== lines[index])
  if (at >= 0) return [`${LINES}: in place of "${lines[at]}" there is "${values[at]}"`]
  const bytes = values.reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0)
  const offset = bookmark === undefined ? 0 : parsePlace(bookmark)?.offset
  return offset === bytes ? [] : [`${LINES}: it would go on at byte ${offset}, and what is stored ends at ${bytes}`]
}
