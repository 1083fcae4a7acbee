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

/** Alerts of these analysers about these sources go to no webhook, command or AMQP address until then; times in ms. */
export interface SilenceTerms {
  /** Glob over `<pipeline>.<analyser>`, or over the analyser's name where it holds no dot. */
  readonly analyser: string
  /** Glob over `<gateway>/<source>`, or over the source's name where it holds no slash. */
  readonly source: string
  readonly startedMs: number
  readonly untilMs: number
  readonly by: string
  readonly reason: string
}

/** What one core tells the others of alerts; times in ms. Told again it changes nothing. */
export type AlertWord =
  | { readonly kind: 'alert'; readonly alert: SaidAlert }
  | { readonly kind: 'acknowledged'; readonly key: string; readonly by: string; readonly atMs: number; readonly note: string }
  | ({ readonly kind: 'silenced'; readonly uid: string } & SilenceTerms)
  | { readonly kind: 'unsilenced'; readonly uid: string }
