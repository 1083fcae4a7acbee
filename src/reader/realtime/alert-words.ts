import type { Alert } from '../../analyser/analyser.ts'

/** An alert as it was said; time in ms. */
export interface SaidAlert {
  readonly key: string
  /** `<pipeline>.<analyser>` */
  readonly id: string
  readonly analyser: string
  /** Null where it is about all sources together. */
  readonly source: string | null
  readonly state: Alert['state']
  readonly timeMs: number
  readonly message: string
  readonly values: Readonly<Record<string, number>>
}

/** What one core tells the others of alerts; times in ms. Told again it changes nothing. */
export type AlertWord =
  | { readonly kind: 'alert'; readonly alert: SaidAlert }
  | { readonly kind: 'acknowledged'; readonly key: string; readonly by: string; readonly atMs: number; readonly note: string }
  | {
      readonly kind: 'silenced'
      readonly uid: string
      readonly analyser: string
      readonly source: string
      readonly startedMs: number
      readonly untilMs: number
      readonly by: string
      readonly reason: string
    }
  | { readonly kind: 'unsilenced'; readonly uid: string }
