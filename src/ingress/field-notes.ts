import type { OpenRequest } from '../amqp/messages.ts'
import type { Log, SourceFields } from '../log/log.ts'
import { messageOf } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'

/** Gateways whose fields wait to be written; of more than that, those that came first are kept until they open again. */
const WAITING_MAX = 1_000

/**
 * Writes what gateways say of their sources' fields into the registry, one gateway after the other and behind the openings: nobody's records wait for
 * it. What fails is written when the gateway opens again.
 */
export class FieldNotes {
  readonly #log: Log
  readonly #logger: Logger
  /** The newest of each gateway. */
  readonly #waiting = new Map<string, readonly SourceFields[]>()
  #writing = false

  constructor(log: Log, logger: Logger) {
    this.#log = log
    this.#logger = logger
  }

  take({ gateway, sources }: OpenRequest): void {
    const told = sources.flatMap(({ source, fields }) => (fields ? [{ source: { gateway, source }, fields }] : []))
    if (told.length === 0 || (this.#waiting.size >= WAITING_MAX && !this.#waiting.has(gateway))) return
    this.#waiting.set(gateway, told)
    if (!this.#writing) void this.#write()
  }

  async #write(): Promise<void> {
    this.#writing = true
    for (const [gateway, told] of this.#waiting) {
      this.#waiting.delete(gateway)
      try {
        await this.#log.describe(told)
      } catch (cause) {
        this.#logger.warn(
          { gateway, reason: messageOf(cause) },
          'the fields of its sources could not be written into the registry',
        )
      }
    }
    this.#writing = false
  }
}
