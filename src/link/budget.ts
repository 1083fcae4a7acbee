import { existsSync, readFileSync } from 'node:fs'
import { z } from 'zod'
import type { EdgeBuffer, Outlet } from '../buffer/buffer.ts'
import { CLOCK_SET_FROM_MS } from '../buffer/clock-watch.ts'
import { writeDurably } from '../buffer/durable-file.ts'
import type { Alarms } from '../runtime/alarms.ts'
import type { Clock } from '../runtime/clock.ts'
import { messageOf } from '../runtime/errors.ts'
import type { BudgetOptions } from './options.ts'

/** What a message costs beside its body, bytes: properties, frame, TLS, TCP and IP headers, its settlement on the way back. */
const MESSAGE_OVERHEAD_BYTES = 400
/** What was spent is written down so often, as parts of the day's bytes: a crash forgets no more. */
const WRITTEN_DOWN_PARTS = 100
/** What a connection costs before its first message, bytes: TCP, TLS with certificates of both sides, AMQP's opening; and for each source the question and its answer. */
const CONNECTION_BYTES = 6_000
const OPENED_SOURCE_BYTES = 300
/**
 * A connection for what is urgent alone is kept so long after the last of it, ms: less than a heartbeat or two, where a new one costs as much as fifteen
 * messages. An alarm that speaks each second has one connection, and not one for each record.
 */
const KEPT_MS = 15_000
/** For so long the answer to "what may be sent now" is good, ms. */
const FLOOR_LASTS_MS = 1_000

const spentSchema = z.object({ day: z.string(), bytes: z.number().min(0) })

export interface BudgetDeps {
  readonly options: BudgetOptions
  /** Keeps what was spent today over restarts. */
  readonly file: string
  readonly clock: Clock
  readonly alarms: Alarms
}

/** A link that costs money: so many bytes a day, at some hours, and what is urgent all the same. */
export class Budget {
  readonly #deps: BudgetDeps
  readonly #local: Intl.DateTimeFormat
  /** The latest that a clock which was set has told; empty where none has yet. */
  #day: string
  /** The day by a clock that is not set: it begins in 1970 after each start, and says nothing of the other. */
  #unsetDay: string | undefined
  #bytes: number
  #writtenBytes: number
  #floor = Number.NEGATIVE_INFINITY
  #floorUntilMs = Number.NEGATIVE_INFINITY
  #busyAtMs = Number.NEGATIVE_INFINITY

  /** Throws where the file cannot be read; a file that says nothing useful counts as nothing spent. */
  constructor(deps: BudgetDeps) {
    this.#deps = deps
    this.#local = new Intl.DateTimeFormat('en-GB', {
      timeZone: deps.options.timezone,
      hourCycle: 'h23',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
    })
    const spent = existsSync(deps.file) ? readSpent(readFileSync(deps.file, 'utf8')) : undefined
    this.#day = spent?.day ?? ''
    this.#bytes = spent?.bytes ?? 0
    this.#writtenBytes = this.#bytes
  }

  /** Only sources of this priority or above may be sent now. */
  get floor(): number {
    const { clock } = this.#deps
    if (clock.monotonicMs() >= this.#floorUntilMs) {
      this.#floorUntilMs = clock.monotonicMs() + FLOOR_LASTS_MS
      this.#floor = this.#look()
    }
    return this.#floor
  }

  /** Whether anything of what the buffer holds may be sent now. */
  allowsAnyOf(buffer: EdgeBuffer): boolean {
    if (this.floor === Number.NEGATIVE_INFINITY) return true
    const mayBeSent = ({ priority = 0, frozen }: Outlet) => priority >= this.floor && frozen === undefined
    return buffer.outlets().some(outlet => mayBeSent(outlet) && outlet.recordsBuffered > 0)
  }

  /** Whether the connection is to be closed now. `isBusy`: something that may be sent waits, or is on its way. */
  isOver(isBusy: boolean): boolean {
    const nowMs = this.#deps.clock.monotonicMs()
    if (isBusy) this.#busyAtMs = nowMs
    if (isBusy || this.floor === Number.NEGATIVE_INFINITY) return false
    return this.floor === Number.POSITIVE_INFINITY || nowMs - this.#busyAtMs >= KEPT_MS
  }

  /** A connection was opened, for so many sources. */
  spendOpening(sources: number): void {
    this.spend(CONNECTION_BYTES + OPENED_SOURCE_BYTES * sources)
  }

  /** Bytes spent today. */
  get spentBytes(): number {
    return this.#bytes
  }

  /** Whether what is sent of one source is missing for another. */
  get countsBytes(): boolean {
    return this.#deps.options.bytes_per_day !== undefined
  }

  /** A message with a body of `bytes` is sent. */
  spend(bytes: number): void {
    const { options } = this.#deps
    this.#busyAtMs = this.#deps.clock.monotonicMs()
    this.#bytes += bytes + MESSAGE_OVERHEAD_BYTES
    const perDay = options.bytes_per_day
    if (perDay === undefined) return
    if (this.#bytes >= perDay) this.#floorUntilMs = Number.NEGATIVE_INFINITY
    if (this.#bytes - this.#writtenBytes < perDay / WRITTEN_DOWN_PARTS) return
    this.#writtenBytes = this.#bytes
    this.#writeDown()
  }

  /** What cannot be written is counted in memory all the same: who sends it must not come to grief at that. */
  #writeDown(): void {
    const { file, alarms } = this.#deps
    try {
      writeDurably(file, JSON.stringify({ day: this.#day, bytes: this.#bytes }))
      alarms.clear('budget_unwritten')
    } catch (cause) {
      alarms.raise('budget_unwritten', {
        message: `What was sent of the bytes of this day cannot be written down: ${messageOf(cause)}`,
        advice: 'Look at the disk of the state directory: until it takes this again, a restart forgets what was spent since.',
      })
    }
  }

  #look(): number {
    const { bytes_per_day: perDay, hours, urgent } = this.#deps.options
    const { day, minute } = this.#now()
    if (this.#isAnotherDay(day)) {
      this.#bytes = 0
      this.#writtenBytes = 0
    }
    const isSpent = perDay !== undefined && this.#bytes >= perDay
    if (isSpent) {
      this.#deps.alarms.raise('budget_spent', {
        message: `The ${perDay} bytes of this day are spent; ${urgent === undefined ? 'nothing' : 'only what is urgent'} is sent until tomorrow.`,
        advice: 'Records are kept in the buffer. Raise `uplink.budget.bytes_per_day` if that happens on most days.',
      })
    } else this.#deps.alarms.clear('budget_spent')
    const isOpen = hours === undefined || hours.some(range => isWithin(minute, range))
    return !isSpent && isOpen ? Number.NEGATIVE_INFINITY : (urgent ?? Number.POSITIVE_INFINITY)
  }

  #isAnotherDay(day: string): boolean {
    if (this.#deps.clock.wallMs() < CLOCK_SET_FROM_MS) {
      const before = this.#unsetDay ?? day
      this.#unsetDay = day
      return day !== before
    }
    const before = this.#day === '' ? day : this.#day
    this.#unsetDay = undefined
    this.#day = day
    return day !== before
  }

  #now(): { day: string; minute: number } {
    const parts = new Map(this.#local.formatToParts(this.#deps.clock.wallMs()).map(({ type, value }) => [type, value]))
    const day = `${parts.get('year')}-${parts.get('month')}-${parts.get('day')}`
    return { day, minute: Number(parts.get('hour')) * 60 + Number(parts.get('minute')) }
  }
}

/** `22:00-06:00` goes over midnight. */
function isWithin(minute: number, range: string): boolean {
  const [from = 0, to = 0] = range.split('-').map(text => {
    const [hours, minutes] = text.split(':').map(Number)
    return (hours ?? 0) * 60 + (minutes ?? 0)
  })
  return from < to ? minute >= from && minute < to : minute >= from || minute < to
}

function readSpent(text: string): z.output<typeof spentSchema> | undefined {
  try {
    return spentSchema.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}
