import { z } from 'zod'

/** Sources in one report; of those that are another since they were last told, the others wait for the next. */
export const REPORTED_SOURCES_MAX = 200
export const REPORTED_ALARMS_MAX = 20
/** Texts are cut to this many characters. */
export const REPORTED_TEXT_LENGTH_MAX = 400

const count = z.number().int().min(0)
const timeMs = z.number().int().nullable()
const text = z.string().max(REPORTED_TEXT_LENGTH_MAX)

const reportedSourceSchema = z.object({
  source: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/),
  state: z.string().max(40),
  reason: text.nullable(),
  /** Since the agent started: read, given up by a full buffer (each is declared as a gap), and not decoded. */
  read: count,
  dropped: count,
  undecoded: count,
  /** What the log does not have: records, the bytes they take, and when the oldest was read, ms since 1970. */
  records: count,
  bytes: count,
  oldest_ms: timeMs,
})
export type ReportedSource = z.output<typeof reportedSourceSchema>

/** How a gateway stands, for people (docs/protocol.md, "Reports"): nothing is decided from it. */
export const gatewayReportSchema = z.object({
  /** Wall clock of the gateway, ms since 1970. */
  time_ms: z.number().int(),
  quota_bytes: count,
  used_bytes: count,
  written_bytes: count,
  records: count,
  bytes: count,
  oldest_ms: timeMs,
  sources: z.array(reportedSourceSchema).max(REPORTED_SOURCES_MAX),
  alarms: z
    .array(
      z.object({
        code: z.string().max(64),
        source: z.string().max(130).optional(),
        since: z.string().max(40),
        message: text,
        advice: text,
      }),
    )
    .max(REPORTED_ALARMS_MAX),
})
export type GatewayReport = z.output<typeof gatewayReportSchema>
