import type { AnalyserKind } from './analyser.ts'
import { anomaly } from './anomaly.ts'
import { condition } from './condition.ts'
import { drift } from './drift.ts'
import { gap } from './gap.ts'
import { moduleKind } from './module.ts'
import { silence } from './silence.ts'

/** Every kind of analyser; a new one is one file and one line here. */
export const ANALYSER_KINDS = [condition, silence, gap, drift, anomaly, moduleKind] as const

/** The kind that options are of. */
export function analyserKindOf(options: object): AnalyserKind {
  const kind = ANALYSER_KINDS.find(each => each.markers.some(marker => marker in options))
  if (!kind) throw new Error('an analyser without a kind passed its schema')
  return kind as unknown as AnalyserKind
}
