import { createHash } from 'node:crypto'
import { createReadStream, statSync } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { PoisonRecord, Range } from '../ledger.ts'
import type { SourceCounts } from './feed.ts'
import { filesIn, MANIFEST } from './run-folder.ts'

/** `manifest.json` in the directory of a run that is done. */
export interface Manifest {
  readonly run: string
  readonly job: string
  readonly kind: string
  /** By it the directory is known as the one of the run as it was last begun. */
  readonly token: string
  /** ISO 8601: the moment for which the run is, and when its last attempt began and ended. */
  readonly at: string
  readonly started: string
  readonly ended: string
  readonly attempts: number
  readonly exit_code: 0
  readonly records: number
  readonly placeholders: number
  readonly dead: readonly { readonly source: string; readonly seq: number; readonly reason: string }[]
  /** Sources that were waited for in vain. */
  readonly missing: readonly string[]
  /** For each source what was read of it; `sha256` is over its records as they were written for the command. */
  readonly ranges: readonly (Range & { readonly records: number; readonly placeholders: number; readonly sha256: string })[]
  /** What the run left in its directory. */
  readonly files: readonly { readonly path: string; readonly bytes: number; readonly sha256: string }[]
}

export interface ManifestParts {
  readonly run: string
  readonly job: string
  readonly kind: string
  readonly token: string
  readonly atMs: number
  readonly startedMs: number
  readonly endedMs: number
  readonly attempts: number
  readonly ranges: readonly Range[]
  readonly counts: ReadonlyMap<string, SourceCounts>
  readonly dead: readonly PoisonRecord[]
  readonly missing: readonly string[]
}

export async function manifestOf(directory: string, parts: ManifestParts): Promise<Manifest> {
  const { counts, ranges, dead, atMs, startedMs, endedMs, ...rest } = parts
  const iso = (ms: number) => new Date(ms).toISOString()
  const read = ranges.map(range => {
    const { records = 0, placeholders = 0, sha256 = '' } = counts.get(range.source) ?? {}
    return { ...range, records, placeholders, sha256 }
  })
  const files = []
  for (const path of filesIn(directory)) {
    if (path === MANIFEST) continue
    files.push({ path, bytes: statSync(join(directory, path)).size, sha256: await sha256Of(join(directory, path)) })
  }
  return {
    run: rest.run,
    job: rest.job,
    kind: rest.kind,
    token: rest.token,
    at: iso(atMs),
    started: iso(startedMs),
    ended: iso(endedMs),
    attempts: rest.attempts,
    exit_code: 0,
    records: read.reduce((sum, { records }) => sum + records, 0),
    placeholders: read.reduce((sum, { placeholders }) => sum + placeholders, 0),
    dead: dead.map(({ source, sequence, reason }) => ({ source, seq: sequence, reason })),
    missing: rest.missing,
    ranges: read,
    files,
  }
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}
