import { closeSync, existsSync, fsyncSync, openSync, rmSync, statfsSync, statSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { BLOCKS_FILE, DATABASE_FILE } from '../../buffer/database-files.ts'
import { messageOf } from '../../runtime/errors.ts'
import { sizeText } from '../../runtime/units.ts'
import { error, type Finding, ok, warning } from '../finding.ts'
import { median } from '../flatness.ts'

const CHECK = 'disk'
const SYNCS = 20
const PAGE_BYTES = 4_096
/** Above this, ms, a serial port's own buffer may run over while the disk syncs. */
const SYNC_SLOW_MS = 50
/** Below this a sync cannot have reached any disk, ms. */
const SYNC_TOO_FAST_MS = 0.01
const FREE_SHARE_MIN = 0.1

/** Space, write permission and the time of a sync where a process keeps its state; `quotaBytes`: what the buffer may take. */
export function checkDisk(state: string, quotaBytes?: number): Finding[] {
  // One that is not there yet is made at the start, and not by whoever only looks.
  const folder = nearestFolder(state)
  let syncs: number[]
  try {
    syncs = timeSyncs(folder)
  } catch (cause) {
    return [
      error(CHECK, `${folder} cannot be written: ${messageOf(cause)}`, `Make ${state}, owned by the user that Headrace runs as.`),
    ]
  }
  const growth = quotaBytes === undefined ? undefined : { quotaBytes, takenBytes: takenBy(join(state, 'edge')) }
  return [spaceIn(folder, growth), syncTime(folder, syncs)]
}

/** What a buffer has of the disk already, and does not need a second time. */
function takenBy(folder: string): number {
  const sizes = [DATABASE_FILE, BLOCKS_FILE].map(file => statSync(join(folder, file), { throwIfNoEntry: false })?.size ?? 0)
  return sizes.reduce((sum, bytes) => sum + bytes, 0)
}

function spaceIn(folder: string, growth: { quotaBytes: number; takenBytes: number } | undefined): Finding {
  const { bavail, blocks, bsize } = statfsSync(folder)
  const free = bavail * bsize
  const said = `${mib(free)} MiB are free in ${folder}`
  if (growth !== undefined && free < growth.quotaBytes - growth.takenBytes)
    return error(
      CHECK,
      `${said}, and the buffer may take ${sizeText(growth.quotaBytes)}${growth.takenBytes > 0 ? `, of which it has ${mib(growth.takenBytes)} MiB` : ''}`,
      'Free space, lower `buffer.quota`, or put `state` on another disk: a full file system stops the buffer before its quota does.',
    )
  if (bavail < blocks * FREE_SHARE_MIN) return warning(CHECK, said, 'Free space, before the file system is full.')
  return ok(CHECK, said)
}

function syncTime(folder: string, syncs: readonly number[]): Finding {
  const middle = median(syncs)
  const worst = Math.max(...syncs)
  const said = `a sync in ${folder} takes ${middle.toFixed(2)} ms, ${worst.toFixed(1)} ms at the worst of ${syncs.length}`
  if (middle > SYNC_SLOW_MS) return warning(CHECK, said, 'Raise `durability` to several times that, or use a faster disk.')
  if (middle < SYNC_TOO_FAST_MS)
    return warning(
      CHECK,
      `${said}: no disk is that fast`,
      'If this is no RAM disk, its syncs lie, and a power cut takes what was acknowledged.',
    )
  return ok(CHECK, said)
}

/** How long a page and its fsync take, ms, each time. */
function timeSyncs(folder: string): number[] {
  const path = join(folder, `.doctor-${process.pid}`)
  const file = openSync(path, 'w', 0o600)
  const page = Buffer.alloc(PAGE_BYTES, 1)
  try {
    return Array.from({ length: SYNCS }, () => {
      const from = performance.now()
      writeSync(file, page)
      fsyncSync(file)
      return performance.now() - from
    })
  } finally {
    closeSync(file)
    rmSync(path, { force: true })
  }
}

function nearestFolder(path: string): string {
  let at = path
  while (!existsSync(at) && dirname(at) !== at) at = dirname(at)
  return at
}

function mib(bytes: number): number {
  return Math.floor(bytes / 2 ** 20)
}
