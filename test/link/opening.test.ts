import { describe, expect, test } from 'vitest'
import type { Assignment, OwnBatch } from '../../src/buffer/buffer.ts'
import { type BatchFacts, type Decision, decideOpening, type Known, logName, type Told } from '../../src/link/opening.ts'

const HELD: Assignment = { log: 'log-1', topic: 't', partition: 3, producerId: 7, epoch: 2, epochStart: 50 }
const LAST: BatchFacts = { sequence: 90, count: 10, crc: 1 }
const known = (settled: number, next: number, assignment: Assignment | undefined = HELD): Known => ({ assignment, settled, next })
const told = (end: number, last: BatchFacts | null = null, changes: Partial<Assignment> = {}): Told => ({
  assignment: { ...HELD, ...changes },
  end,
  last,
})
const brief = (decision: Decision) => (decision.kind === 'freeze' ? `freeze ${decision.why.code}` : decision)

/** Rule 6, case by case: what the gateway knows, what the core says, the gateway's own batch that ends there, and what follows. */
const CASES: [string, Known, Told, OwnBatch | undefined, ReturnType<typeof brief>][] = [
  [
    'a gateway that opens for the first time keeps what it is assigned',
    { assignment: undefined, settled: 0, next: 0 },
    told(0),
    undefined,
    { kind: 'assign', end: 0, fillTo: 0 },
  ],
  [
    'a database that was lost starts at the mark, and what lies before it is filled',
    { assignment: undefined, settled: 500, next: 500 },
    told(120),
    undefined,
    { kind: 'assign', end: 120, fillTo: 500 },
  ],
  [
    'a database that was lost right at the end needs no fill',
    { assignment: undefined, settled: 500, next: 500 },
    told(500),
    undefined,
    { kind: 'assign', end: 500, fillTo: 500 },
  ],
  [
    'a new disk under the name of a gateway whose log has more is frozen',
    { assignment: undefined, settled: 0, next: 0 },
    told(1),
    undefined,
    'freeze log_ahead',
  ],
  [
    'the end within what was cut, and the last batch cannot be read from the disk any more: the log has it, goes on',
    known(80, 200),
    told(100, LAST),
    { ...LAST, crc: null },
    { kind: 'settle', end: 100 },
  ],
  [
    'the end within what was cut, and the last batch, damaged on the disk, had other numbers',
    known(80, 200),
    told(100, LAST),
    { sequence: 95, count: 5, crc: null },
    'freeze log_differs',
  ],
  [
    'the end within what was cut, and the same last batch: goes on',
    known(80, 200),
    told(100, LAST),
    LAST,
    { kind: 'settle', end: 100 },
  ],
  ['the end where it was: goes on', known(100, 100), told(100, LAST), LAST, { kind: 'settle', end: 100 }],
  [
    'the end where it was, the last batch no longer known: goes on',
    known(100, 100),
    told(100, LAST),
    undefined,
    { kind: 'settle', end: 100 },
  ],
  [
    'a partition whose batches were deleted has nothing to compare',
    known(100, 130),
    told(100, null),
    LAST,
    { kind: 'settle', end: 100 },
  ],
  ['the end behind what is settled: sends again', known(150, 200), told(100, LAST), LAST, { kind: 'rewind', end: 100 }],
  [
    'the end behind, and the batch there no longer kept: sends again',
    known(150, 200),
    told(100, LAST),
    undefined,
    { kind: 'rewind', end: 100 },
  ],
  [
    'the log is empty but for the epoch: sends all of it again',
    known(150, 200),
    told(50, null),
    undefined,
    { kind: 'rewind', end: 50 },
  ],
  ['the end before the epoch cannot be healed', known(150, 200), told(49, null), undefined, 'freeze log_behind_epoch'],
  [
    'the end behind, but another batch there: somebody else writes',
    known(150, 200),
    told(100, { ...LAST, crc: 2 }),
    LAST,
    'freeze log_differs',
  ],
  ['the end ahead of anything cut', known(100, 100), told(101, null), undefined, 'freeze log_ahead'],
  ['another CRC in the last batch: a clone wrote it', known(80, 200), told(100, { ...LAST, crc: 2 }), LAST, 'freeze log_differs'],
  ['another range of the last batch', known(80, 200), told(100, { sequence: 95, count: 5, crc: 1 }), LAST, 'freeze log_differs'],
  ['an end where no batch was cut', known(80, 200), told(97, null), undefined, 'freeze log_differs'],
  [
    'an end within what stands for what a lost database gave away: that one had it on its way, and the rest stands behind it',
    known(80, 200),
    told(97, { sequence: 95, count: 2, crc: 1 }),
    { sequence: 80, count: 120, crc: 2, standsForLost: () => true },
    { kind: 'refill', end: 97 },
  ],
  [
    'an end within a placeholder for anything else',
    known(80, 200),
    told(97, { sequence: 95, count: 2, crc: 1 }),
    { sequence: 80, count: 120, crc: 2, standsForLost: () => false },
    'freeze log_differs',
  ],
  [
    'an end where what stands for a lost database ends as well, and the log has what that one sent',
    known(80, 200),
    told(97, { sequence: 95, count: 2, crc: 1 }),
    { sequence: 80, count: 17, crc: 2, standsForLost: () => true },
    { kind: 'settle', end: 97 },
  ],
  ['another log', known(80, 200), told(100, LAST, { log: 'log-2' }), LAST, 'freeze other_log'],
  ['another partition', known(80, 200), told(100, LAST, { partition: 4 }), LAST, 'freeze other_place'],
  ['another topic', known(80, 200), told(100, LAST, { topic: 'u' }), LAST, 'freeze other_place'],
  ['another producer', known(80, 200), told(100, LAST, { producerId: 8 }), LAST, 'freeze other_place'],
  [
    'a higher epoch that this gateway did not ask for',
    known(80, 200),
    told(100, LAST, { epoch: 3, epochStart: 100 }),
    LAST,
    'freeze other_epoch',
  ],
  [
    'a higher epoch, under which somebody has written: this disk is an older copy',
    known(80, 200),
    told(110, null, { epoch: 3, epochStart: 100 }),
    undefined,
    'freeze epoch_ahead',
  ],
  [
    'a higher epoch and an end far ahead: as well, and what lies here is not sent again',
    known(80, 100),
    told(500, null, { epoch: 4, epochStart: 300 }),
    undefined,
    'freeze epoch_ahead',
  ],
  [
    'a lower epoch: the registry was restored',
    known(80, 200),
    told(100, LAST, { epoch: 1, epochStart: 0 }),
    LAST,
    'freeze other_epoch',
  ],
]

describe('the opening decides for each source', () => {
  test.each(CASES)('%s', (_claim, known, told, own, expected) => {
    expect(brief(decideOpening(known, told, own))).toEqual(expected)
  })

  test('whatever it freezes, it says what a person can do', () => {
    for (const [, known, told, own] of CASES) {
      const decision = decideOpening(known, told, own)
      if (decision.kind === 'freeze') expect(decision.why.advice).toMatch(/resume/)
    }
  })

  test('a topic made anew in the same cluster is another log', () => {
    expect(logName('cluster', 'topic-1')).not.toBe(logName('cluster', 'topic-2'))
  })
})
