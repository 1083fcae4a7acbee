/** What `status` says, as far as pages look at it. */
export interface Alarm {
  readonly code: string
  readonly source?: string
  readonly since: string
  readonly message: string
  readonly advice: string
}

export interface Buffered {
  readonly records: number
  readonly bytes: number
  readonly oldest: string | null
}

/** What a gateway knows of a source. */
export interface AtGateway {
  readonly state: string
  readonly reason: string | null
  readonly read: number
  readonly decode_errors: number
  readonly dropped: number
  readonly buffered: Buffered
}

/** Types and units of a source's fields, as far as they are known. */
export type Fields = Readonly<Record<string, { readonly unit?: string }>>

export interface EdgeRow extends AtGateway {
  readonly fields?: Fields
  readonly source: string
  readonly pipeline: string | null
  readonly next: number
  readonly settled: number
  readonly topic: string
  readonly partition: number | null
}

export interface CoreRow {
  readonly fields?: Fields
  readonly source: string
  readonly topic: string
  readonly partition: number
  readonly first: number | null
  readonly next: number | null
  readonly at_gateway: AtGateway | null
}

export interface Job {
  readonly job: string
  readonly next_run: string | null
  readonly lag: number | null
  readonly lost: number
  readonly waiting_for: readonly string[]
  readonly running: {
    readonly run: string
    readonly records: number
    readonly total: number
    readonly records_per_second: number
  } | null
  readonly last_run: {
    readonly id: string
    readonly state: string
    readonly ended: string | null
    readonly records: number
    readonly error: string | null
  } | null
}

export interface AnalyserRow {
  readonly analyser: string
  readonly pipeline: string
  readonly state: string
  readonly sources: number
  readonly lag: number
  readonly late: number
  readonly last_alert: string | null
  readonly undelivered: number
}

export interface Disk {
  readonly quota_bytes: number
  readonly used_bytes: number
  readonly written_bytes: number
}

export interface EdgeStatus {
  readonly gateway: string
  readonly link: { readonly state: string; readonly peer: string | null; readonly session: string | null; readonly since: string }
  readonly disk: Disk
  readonly sources: readonly EdgeRow[]
  readonly alarms: readonly Alarm[]
}

export interface CoreStatus {
  readonly log: { readonly engine: string; readonly identity: string }
  readonly gateways: readonly { readonly gateway: string; readonly session: string; readonly since: string }[]
  readonly sources: readonly CoreRow[]
  readonly reports: readonly {
    readonly gateway: string
    readonly heard: string
    readonly disk: Disk
    readonly buffered: Buffered
    readonly alarms: readonly Alarm[]
  }[]
  readonly jobs: readonly Job[]
  readonly analysers: readonly AnalyserRow[]
  readonly alarms: readonly Alarm[]
}

/** A message of `/api/live`: all of it, or what is another than in the message before. */
export interface Message {
  readonly timeMs: number
  readonly sides: { readonly edge?: EdgeStatus; readonly core?: CoreStatus }
}
