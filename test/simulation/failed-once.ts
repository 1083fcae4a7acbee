import type { Event, Schedule } from './schedule.ts'

interface FailedOnce {
  readonly what: string
  readonly schedule: Schedule
}

function schedule(changes: Partial<Omit<Schedule, 'events'>>, ...events: Event[]): Schedule {
  return { seed: 1, quotaBytes: 8 * 2 ** 20, rewindBytes: 2 ** 20, durabilityMs: 0, ...changes, events }
}

const pass = (ms: number): Event => ({ what: 'time passes', ms })
const records = (source: string, count: number, bytes = 20): Event => ({ what: 'records', source, count, bytes })

/** Schedules that the simulation found, made small by it; each failed before what it shows was mended. */
export const FAILED_ONCE: readonly FailedOnce[] = [
  {
    what: 'what a lost database had on its way came to the log after its end was told, and its source was frozen',
    schedule: schedule(
      { seed: 9_001_773, quotaBytes: 2 ** 20, rewindBytes: 4_096 },
      records('source-2', 1),
      pass(5),
      { what: 'log slow', ms: 7_000 },
      { what: 'a batch is refused for good', source: 'source-2' },
      records('source-2', 1),
      pass(4),
      { what: 'database lost', downMs: 18_557 },
    ),
  },
  {
    what: 'numbers that a refused commit had reserved were taken for reserved on disk, and given again after the database was lost',
    schedule: schedule(
      { seed: 59, durabilityMs: 20 },
      { what: 'commits fail', after: 1, times: 1, at: 'before' },
      records('source-2', 1),
      pass(1_953),
      { what: 'database lost', downMs: 16_379 },
    ),
  },
  {
    what: 'a settled batch was forgotten for the sake of another source, and with it the next number of its own',
    schedule: schedule(
      { seed: 159, rewindBytes: 4_096 },
      records('source-1', 1),
      pass(7),
      records('source-2', 1, 4_000),
      pass(1_625),
      { what: 'gateway killed', downMs: 35 },
    ),
  },
  {
    what: 'records of a database that was lost before its first batch were missing without a word',
    schedule: schedule(
      { seed: 142, rewindBytes: 4_096 },
      { what: 'disk slow', ms: 300 },
      { what: 'database lost', downMs: 313 },
      pass(594),
      records('source-1', 1),
      pass(408),
      { what: 'database lost', downMs: 19_441 },
    ),
  },
  {
    what: 'a log that lost its tail while a source had nothing to send was never healed',
    schedule: schedule({ seed: 114, rewindBytes: 2 ** 20 }, records('source-2', 1), pass(500), {
      what: 'tail of the log lost',
      source: 'source-2',
      batches: 1,
    }),
  },
  {
    what: 'what gave way before records that were in memory already was said only after them',
    schedule: schedule(
      { seed: 1_182_956_479, quotaBytes: 2 ** 20, durabilityMs: 1_000 },
      { what: 'connections cut' },
      records('source-1', 21, 16_000),
      records('source-2', 43, 16_000),
    ),
  },
  {
    what: 'a disk that was full within a commit ended it, and what came after was written by itself: out of order',
    schedule: schedule(
      { seed: 564, quotaBytes: 256 * 1024, durabilityMs: 20 },
      records('source-1', 15, 4_000),
      records('source-1', 4, 200),
      records('source-2', 30, 200),
      records('source-1', 49, 200),
      pass(30),
      records('source-1', 17, 4_000),
      pass(20),
      records('source-2', 7, 200),
      { what: 'core killed', core: 'core-1', downMs: 24 },
      records('source-1', 10, 200),
      pass(12),
      records('source-1', 32, 200),
      records('source-1', 1),
      records('source-1', 10, 4_000),
    ),
  },
  {
    what: 'a clock that was set back put off for years what a silent source had to say of a gap',
    schedule: schedule(
      { seed: 20_097, quotaBytes: 2 ** 20, durabilityMs: 20 },
      records('source-2', 50, 16_000),
      { what: 'connections cut' },
      records('source-2', 9, 16_000),
      pass(34),
      { what: 'clock jumps', ms: -315_360_000_000 },
    ),
  },
  {
    what: 'what came too late for a full buffer was said to be missing before records that had come earlier',
    schedule: schedule(
      { seed: 1_906_295_402, quotaBytes: 2 ** 20, rewindBytes: 4_096, durabilityMs: 1_000 },
      records('source-1', 1),
      pass(9),
      { what: 'tail of the log lost', source: 'source-1', batches: 3 },
      records('source-2', 18, 16_000),
      records('source-2', 58, 16_000),
      { what: 'topic set wrong', forMs: 2_000 },
      records('source-2', 57, 16_000),
    ),
  },
]
