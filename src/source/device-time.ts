import { z } from 'zod'
import { isDay } from '../runtime/calendar-day.ts'

const fieldName = z.string().min(1).max(200)

/** `time:` of a source in a pipeline file. */
export const timeOptions = z
  .strictObject({
    field: z
      .union([fieldName, z.tuple([fieldName, fieldName])], 'has to be a field, or [date, time of day]')
      .describe(
        'The decoded field that holds it; [date, time] where it is in two. A record with the time of day alone has the date of the last one that had both, no more than an hour from it.',
      ),
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
  .refine(({ field, format }) => typeof field === 'string' || format === 'iso8601', {
    error: 'has to be iso8601 where date and time are in two fields',
    path: ['format'],
  })
  .describe("The event time is the device's; without this, it is that at which the gateway read it.")
export type TimeOptions = z.output<typeof timeOptions>

const ISO = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)\s*(Z|[+-]\d\d:?\d\d)?$/
const NUMBER = /^\s*\d+(?:\.\d*)?\s*$/
/** The end of the year 9999: what lies beyond is no time. */
const TIME_MAX_MS = 253_402_300_799_999

const DAY_MS = 86_400_000
/** How far from the last whole time a time of day may lie to be given its date: NMEA 0183 says the date in one sentence of several a second. */
const SAME_DATE_WITHIN_MS = 3_600_000

/** A time, or why there is none. */
export type DeviceTime = { readonly timeMs: number } | { readonly missing: string }

/** Reads the time in a decoded record, ms since 1970. Of one source: it remembers the last date. */
export function deviceTimeReader({ field, format, offset }: TimeOptions): (value: Buffer) => DeviceTime {
  const fields = typeof field === 'string' ? [field] : field
  let lastMs: number | undefined
  return value => {
    const record = parse(value)
    const parts = fields.map(name => record[name] ?? undefined)
    const [date, timeOfDay] = parts
    if (date === undefined && typeof timeOfDay === 'string' && lastMs !== undefined) {
      const timeMs = nearest(timeOfDay, offset, lastMs)
      return timeMs === undefined ? NO_TIME : { timeMs }
    }
    if (parts.includes(undefined)) return NO_TIME
    const timeMs = format === 'iso8601' ? fromText(parts.join('T'), offset) : fromNumber(date) * (format === 'unix_s' ? 1_000 : 1)
    const isTime = timeMs >= 0 && timeMs <= TIME_MAX_MS
    if (!isTime) return { missing: 'an event time could not be read' }
    lastMs = Math.floor(timeMs)
    return { timeMs: lastMs }
  }
}

const NO_TIME: DeviceTime = { missing: 'no event time in a record' }

/** The time of day on that day, or the one before or after it, that lies nearest to `aroundMs`; undefined where none is near. */
function nearest(timeOfDay: string, offset: string, aroundMs: number): number | undefined {
  const days = [-1, 0, 1].map(day => new Date(aroundMs + day * DAY_MS).toISOString().slice(0, 10))
  const times = days.map(day => Math.floor(fromText(`${day}T${timeOfDay}`, offset)))
  return times.find(timeMs => Math.abs(timeMs - aroundMs) <= SAME_DATE_WITHIN_MS)
}

function parse(value: Buffer): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(value.toString('utf8'))
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

/** A number, or a text of one: an empty text, or what is neither, would else be 1970. */
function fromNumber(value: unknown): number {
  if (typeof value === 'number') return value
  return typeof value === 'string' && NUMBER.test(value) ? Number(value) : Number.NaN
}

function fromText(text: string, offset: string): number {
  const [, date, time, zone = offset] = ISO.exec(text) ?? []
  // The first 28 every month has.
  const isTime = date !== undefined && (date.slice(-2) <= '28' || isDay(date))
  return isTime ? Date.parse(`${date}T${time}${zone}`) : Number.NaN
}
