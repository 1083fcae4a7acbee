import type { OpenedSource } from '../amqp/messages.ts'
import type { Assignment, Freeze, OwnBatch } from '../buffer/buffer.ts'

export interface BatchFacts {
  readonly sequence: number
  readonly count: number
  readonly crc: number
}

/** What the gateway knows of a source before it hears the core. */
export interface Known {
  readonly assignment: Assignment | undefined
  /** All numbers below are known to be in the log. */
  readonly settled: number
  /** All numbers below were given away. */
  readonly next: number
}

/** What the core says of it. */
export interface Told {
  readonly assignment: Assignment
  readonly end: number
  /** The last batch before `end`; null where there is none to be compared with. */
  readonly last: BatchFacts | null
}

/** What the opening comes to for one source. */
export type Decision =
  /** The log has all below `end`; go on from there. */
  | { readonly kind: 'settle'; readonly end: number }
  /** The first opening: keep the assignment. `fillTo` beyond `end`: numbers up to it were given away by a database that is lost. */
  | { readonly kind: 'assign'; readonly end: number; readonly fillTo: number }
  /** The log lost what it had: send again from `end` on. */
  | { readonly kind: 'rewind'; readonly end: number }
  /** The log has some of what a lost database gave away: what stands here for all of it begins at `end`. */
  | { readonly kind: 'refill'; readonly end: number }
  | { readonly kind: 'freeze'; readonly why: Freeze }

const RESUME =
  'Find out who else wrote there; then `headrace source resume <gateway>/<source>` goes on at the end of the log, under a new epoch.'

/**
 * What a gateway does with what the core says at the opening (docs/protocol.md, "Opening"). `around` is the gateway's cut batch that has the number just
 * before the end told, where it still knows it.
 */
export function decideOpening(known: Known, told: Told, around: OwnBatch | undefined): Decision {
  const { end } = told
  const held = known.assignment
  if (held === undefined) {
    if (end > known.next) {
      return freeze(
        'log_ahead',
        `The log holds numbers up to ${end}, this gateway gave away those up to ${known.next} only.`,
        RESUME,
      )
    }
    return { kind: 'assign', end, fillTo: known.next }
  }
  const moved = otherPlace(held, told)
  if (moved) return moved
  if (end > known.next) {
    return freeze(
      'log_ahead',
      `The log ends at ${end}, this gateway cut nothing at or above ${known.next}: another one wrote as this one.`,
      RESUME,
    )
  }
  const own = around && around.sequence + around.count === end ? around : undefined
  const isOther = own && told.last && !sameBatch(own, told.last)
  // What that database had on its way when it was lost may have come to the log after its end was told first.
  if (end > known.settled && end >= held.epochStart && (!own || isOther) && around?.standsForLost?.())
    return { kind: own ? 'settle' : 'refill', end }
  if (isOther) {
    return freeze(
      'log_differs',
      `The last batch in the log, ${facts(told.last)}, is not the one that this gateway cut there, ${facts(own)}.`,
      RESUME,
    )
  }
  if (end < held.epochStart) {
    return freeze(
      'log_behind_epoch',
      `The log ends at ${end}, before the present epoch begins (${held.epochStart}): what it lost cannot be sent again.`,
      'Restore the log, or `headrace source resume <gateway>/<source>`, which goes on at its end under a new epoch.',
    )
  }
  // Between two borders of what was cut lies no end that this gateway could have made.
  if (!own && end > known.settled) {
    return freeze('log_differs', `The log ends at ${end}, where no batch of this gateway ends.`, RESUME)
  }
  return end < known.settled ? { kind: 'rewind', end } : { kind: 'settle', end }
}

/**
 * The log goes on under a newer epoch than this database knows of, and somebody has written under it: another gateway that was resumed as this one, or
 * this one, in a time that its database has lost. What the database still holds may be in the log. An epoch of which only the answer was lost has
 * nothing yet: it says nothing of the database.
 */
export function epochAhead(held: Assignment, { assignment: told, end }: Pick<Told, 'assignment' | 'end'>): Freeze | undefined {
  if (told.epoch <= held.epoch || end <= told.epochStart) return undefined
  return {
    code: 'epoch_ahead',
    message: `The log goes on under epoch ${told.epoch} from ${told.epochStart} to ${end}, this gateway is at epoch ${held.epoch}: this is an older copy of its disk, or another one goes on in its name.`,
    advice: RESUME,
  }
}

function otherPlace(held: Assignment, { assignment: told, end }: Told): Decision | undefined {
  if (held.log !== told.log) {
    return freeze(
      'other_log',
      `The core stands before another log (${told.log}) than last time (${held.log}).`,
      'If that is meant, `headrace source resume <gateway>/<source>` adopts it; otherwise correct the address or the core.',
    )
  }
  if (held.topic !== told.topic || held.partition !== told.partition || held.producerId !== told.producerId) {
    return freeze(
      'other_place',
      `The core gives ${placeText(told)} to this source, last time it gave ${placeText(held)}.`,
      'The gateway has another name than before (that of the machine, unless set), the pipeline another topic, or the registry of claims was changed or restored. `headrace source resume <gateway>/<source>` adopts the new place; what is buffered goes there, too.',
    )
  }
  const ahead = epochAhead(held, { assignment: told, end })
  if (ahead) return { kind: 'freeze', why: ahead }
  if (held.epoch !== told.epoch || held.epochStart !== told.epochStart) {
    return freeze(
      'other_epoch',
      `The core is at epoch ${told.epoch} from ${told.epochStart} on, this gateway at ${held.epoch} from ${held.epochStart} on.`,
      RESUME,
    )
  }
  return undefined
}

/** What the core says of a source, from its entry in the reply; `log`: the log's name there. */
export function toldOf(entry: Exclude<OpenedSource, { error: unknown }>, log: string): Told {
  const { topic, partition, producerId, epoch, epochStart, end, last, batchBytesMax } = entry
  const limit = batchBytesMax === undefined ? {} : { batchBytesMax }
  return {
    assignment: { log: logName(log, entry.topicId), topic, partition, producerId, epoch, epochStart, ...limit },
    end,
    last,
  }
}

/** The one name by which a gateway knows a log again: the same cluster with a topic made anew is another log. */
export function logName(log: string, topicId: string): string {
  return `${log}/${topicId}`
}

function sameBatch(own: OwnBatch, told: BatchFacts): boolean {
  return own.sequence === told.sequence && own.count === told.count && (own.crc === null || own.crc === told.crc)
}

function facts({ sequence, count, crc }: OwnBatch): string {
  return `${sequence}…${sequence + count - 1} (CRC ${crc === null ? 'unknown' : crc.toString(16).padStart(8, '0')})`
}

function placeText(at: Assignment): string {
  return `${at.topic}[${at.partition}] as producer ${at.producerId}`
}

function freeze(code: string, message: string, advice: string): Decision {
  return { kind: 'freeze', why: { code, message, advice } }
}
