import { joinGaps } from '../record/gap.ts'
import type { Plan } from './plan.ts'
import type { SourceBuffer } from './source-buffer.ts'

/** A gap that no record has declared for so long is declared by a placeholder, ms. */
const SILENT_GAP_MS = 60_000

/** Whether something is missing at the end of a source, and no record comes that could say so. */
export function isSilentGap(source: SourceBuffer, nowMs: number): boolean {
  // A clock that was set back does not put it off.
  if (source.gapSinceMs === undefined || Math.abs(nowMs - source.gapSinceMs) < SILENT_GAP_MS) return false
  return source.uncutBlocks === 0 && !source.hasPending && source.assignment !== undefined && source.frozen === undefined
}

/** Declares a silent gap with a record that says nothing else. */
export function declareGap(plan: Plan, source: SourceBuffer, nowMs: number): void {
  const gap = source.headGap ?? source.tailGap
  if (!gap) return
  const { gapSinceMs } = source
  const isHead = source.headGap !== undefined
  if (isHead) source.headGap = undefined
  else source.tailGap = undefined
  source.gapSinceMs = source.tailGap ? nowMs : undefined
  plan.placeholder(source, { from: source.next, count: 1, timeMs: nowMs, gap })
  plan.steps.push({
    step: { kind: 'source', row: source.toRow() },
    done: () => {},
    failed: () => {
      if (isHead) source.headGap = joinGaps(gap, source.headGap)
      else source.tailGap = joinGaps(gap, source.tailGap)
      source.gapSinceMs = gapSinceMs
    },
  })
}
