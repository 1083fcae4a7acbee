import type { Outcome } from './run.ts'
import type { Event, Schedule } from './schedule.ts'

/** Attempts that a shrinking may take. */
const ATTEMPTS_MAX = 400

/**
 * A schedule that still fails, and of which nothing can be left out: takes away halves, then quarters, down to single events, then makes what is left
 * smaller, and bounds as large as outside; and all of that again for as long as it helps, since what could not be left out before may be superfluous now.
 */
export async function shrink(schedule: Schedule, attempt: (schedule: Schedule) => Promise<Outcome>): Promise<Schedule> {
  let attempts = 0
  const fails = async (candidate: Schedule) => attempts++ < ATTEMPTS_MAX && (await attempt(candidate)).findings.length > 0
  let smallest = schedule
  for (let before: Schedule | undefined; before !== smallest; ) {
    before = smallest
    smallest = await withFewerLimits(await withSmallerEvents(await withFewerEvents(smallest, fails), fails), fails)
  }
  return smallest
}

type Fails = (candidate: Schedule) => Promise<boolean>

async function withFewerEvents(schedule: Schedule, fails: Fails): Promise<Schedule> {
  let smallest = schedule
  for (let size = Math.ceil(smallest.events.length / 2); size >= 1; size = size > 1 ? Math.ceil(size / 2) : 0) {
    for (let from = 0; from < smallest.events.length; ) {
      const events = smallest.events.toSpliced(from, size)
      if (await fails({ ...smallest, events })) smallest = { ...smallest, events }
      else from += size
    }
  }
  return smallest
}

async function withSmallerEvents(schedule: Schedule, fails: Fails): Promise<Schedule> {
  let smallest = schedule
  for (let at = 0; at < smallest.events.length; at++) {
    for (let smaller = smallerOf(smallest.events[at]); smaller; smaller = smallerOf(smaller)) {
      const events = smallest.events.with(at, smaller)
      if (!(await fails({ ...smallest, events }))) break
      smallest = { ...smallest, events }
    }
  }
  return smallest
}

/** Only bounds that matter are small. */
async function withFewerLimits(schedule: Schedule, fails: Fails): Promise<Schedule> {
  let smallest = schedule
  for (const room of ['limits', 'linkLimits', 'ingressLimits'] as const) {
    for (const limit of Object.keys(schedule[room] ?? {})) {
      const left = Object.fromEntries(Object.entries(smallest[room] ?? {}).filter(([key]) => key !== limit))
      if (await fails({ ...smallest, [room]: left })) smallest = { ...smallest, [room]: left }
    }
  }
  return smallest
}

/** The same event with less of it; undefined where there is nothing less. */
function smallerOf(event: Event | undefined): Event | undefined {
  if (event?.what === 'records' && event.count > 1) return { ...event, count: Math.floor(event.count / 2) }
  if (event?.what === 'records' && event.bytes > 20) return { ...event, bytes: 20 }
  if (event?.what === 'time passes' && event.ms > 1) return { ...event, ms: Math.floor(event.ms / 2) }
  return undefined
}
