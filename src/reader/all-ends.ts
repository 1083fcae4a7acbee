import type { Claim, Log, PartitionEnd } from '../log/log.ts'
import { HeadraceError } from '../runtime/errors.ts'
import { sourceKey } from '../runtime/names.ts'

/** The end of each source; rejects with `log_unavailable` where one cannot be read, for a reader that may leave none out. */
export async function allEnds(log: Log, claims: readonly Claim[]): Promise<(claim: Claim) => PartitionEnd> {
  const ends = await log.ends(claims)
  return claim => {
    const end = ends.get(claim)
    if (end) return end
    const { topic, partition, source } = claim
    throw new HeadraceError('log_unavailable', `the end of ${topic}[${partition}] (${sourceKey(source)}) could not be read`, {
      advice: 'Try again: its leader may only be starting. If it stays so, look at the brokers.',
    })
  }
}
