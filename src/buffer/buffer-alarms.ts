import type { Gap } from '../record/record.ts'
import type { Alarms } from '../runtime/alarms.ts'
import { HeadraceError, messageOf } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'
import type { GivenUp } from './room.ts'
import type { SourceBuffer } from './source-buffer.ts'

const FULL = 'Free space on the file system of the state directory. Records are kept in memory meanwhile, as far as they fit.'
const UNUSABLE =
  'Look at owner, permissions and mount of the state directory, and at the disk. Records are kept in memory meanwhile, as far as they fit.'

/** What of the buffer needs a person, in a person's words. */
export class BufferAlarms {
  readonly #alarms: Alarms
  readonly #log: Logger

  constructor(alarms: Alarms, log: Logger) {
    this.#alarms = alarms
    this.#log = log
  }

  unwritten(error: unknown): void {
    const message = messageOf(error)
    const code = error instanceof HeadraceError ? error.code : undefined
    this.#log.error({ code }, `the buffer could not be written: ${message}`)
    if (code === 'buffer_corrupt') {
      this.#alarms.raise('buffer_damaged', {
        message: `The buffer's database is damaged: ${message}`,
        advice: 'It is moved aside, and an empty one takes its place; what it held is declared as a gap. Look at the disk.',
      })
    } else if (code === 'disk_full')
      this.#alarms.raise('disk_full', { message: `The buffer cannot be written: ${message}`, advice: FULL })
    else this.#alarms.raise('disk_unusable', { message: `The buffer cannot be written: ${message}`, advice: UNUSABLE })
  }

  /** Damage stays said: somebody has to look at the disk. */
  written(): void {
    this.#alarms.clear('disk_full')
    this.#alarms.clear('disk_unusable')
  }

  /** `gap`: what the next record of the source says is missing by now. */
  gaveWay(source: SourceBuffer, { records }: Gap, reason: GivenUp): void {
    this.#log.warn({ source: source.source, records, reason }, 'records gave way')
    if (reason === 'buffer_full') this.full(source)
  }

  /** Nobody looks at alarms of a process that has ended. */
  leftBehind({ source, pendingRecords: records }: SourceBuffer): void {
    this.#log.error(
      { source, records },
      'stopped with records that could not be written: what the device does not say again is lost',
    )
  }

  full({ source, settings }: SourceBuffer): void {
    this.#alarms.raise('buffer_full', {
      source,
      message: `The buffer is full: ${source} ${settings.whenFull === 'block' ? 'waits' : 'loses records'}.`,
      advice: 'Look why the core does not take what is buffered; or give the buffer a larger quota.',
    })
  }

  roomAgain({ source }: SourceBuffer): void {
    this.#alarms.clear('buffer_full', source)
  }

  damaged({ source }: SourceBuffer, records: number): void {
    this.#alarms.raise('buffer_damaged', {
      source,
      message: `${records} buffered records of ${source} cannot be read any more; they are declared as a gap.`,
      advice: 'The disk gives back other bytes than were written: replace it.',
    })
  }

  lost({ source, mark }: SourceBuffer): void {
    this.#alarms.raise('buffer_lost', {
      source,
      message: `The buffer's database was lost; ${source} goes on at number ${mark}.`,
      advice: 'Look at the disk. What was buffered and not yet sent is declared as a gap.',
    })
  }
}
