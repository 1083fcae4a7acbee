import { z } from 'zod'

const fieldName = z.string().min(1).max(200)

/** `time:` of a source in a pipeline file. */
export const timeOptions = z
  .strictObject({
    field: z
      .union([fieldName, z.tuple([fieldName, fieldName])], 'has to be a field, or [date, time of day]')
      .describe('The decoded field that holds it; [date, time] where it is in two.'),
    format: z
      .enum(['iso8601', 'unix_s', 'unix_ms'])
      .default('iso8601')
      .describe('How it is written: as text (2026-11-28T12:00:00Z), or as seconds or milliseconds since 1970.'),
    offset: z
      .string()
      .regex(/^[+-]\d\d:\d\d$/, 'has to be an offset such as +01:00')
      .default('+00:00')
      .describe('From UTC, for texts that name no offset.'),
  })
  .describe("The event time is the device's; without this, it is that at which the gateway read it.")
export type TimeOptions = z.output<typeof timeOptions>

const ISO = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)\s*(Z|[+-]\d\d:?\d\d)?$/
/** The end of the year 9999: what lies beyond is no time. */
const TIME_MAX_MS = 253_402_300_799_999

/** A time, or why there is none. */
export type DeviceTime = { readonly timeMs: number } | { readonly missing: string }

/** Reads the time in a decoded record, ms since 1970. */
export function deviceTimeReader({ field, format, offset }: TimeOptions): (value: Buffer) => DeviceTime {
  const fields = typeof field === 'string' ? [field] : field
  return value => {
    const record = parse(value)
    const parts = fields.map(name => record[name])
    if (parts.some(part => part === undefined || part === null)) return { missing: 'no event time in a record' }
    const timeMs = format === 'iso8601' ? fromText(parts.join('T'), offset) : Number(parts[0]) * (format === 'unix_s' ? 1_000 : 1)
    const isTime = timeMs >= 0 && timeMs <= TIME_MAX_MS
    return isTime ? { timeMs: Math.floor(timeMs) } : { missing: 'an event time could not be read' }
  }
}

function parse(value: Buffer): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(value.toString('utf8'))
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

function fromText(text: string, offset: string): number {
  const [, date, time, zone = offset] = ISO.exec(text) ?? []
  return date === undefined ? Number.NaN : Date.parse(`${date}T${time}${zone}`)
}
