import type { Claim, Log } from '../../log/log.ts'
import { matchesSource, sourceKey } from '../../runtime/names.ts'

export interface Expected {
  readonly claims: readonly Claim[]
  /** Names of the pipeline's sources, and which of them the job reads. */
  readonly declared: readonly string[]
  readonly globs: readonly string[]
}

/** Sources that have no record yet of `timeMs` or later; of one that has never brought any, only the name in its pipeline is known. */
export async function missingSources(log: Log, { claims, declared, globs }: Expected, timeMs: number): Promise<string[]> {
  const ends = await log.ends(claims)
  const missing: string[] = []
  for (const claim of claims) {
    const next = ends.get(claim)?.next
    if (next === undefined || (await log.offsetAt(claim, timeMs)) >= next) missing.push(sourceKey(claim.source))
  }
  const wanted = declared.filter(source =>
    globs.some(glob => !glob.includes('/') && matchesSource(glob, { gateway: '', source })),
  )
  const known = new Set(claims.map(claim => claim.source.source))
  return [...missing, ...wanted.filter(source => !known.has(source))]
}
