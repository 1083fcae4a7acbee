import type { DiskEvent } from './disk-events.ts'
import type { Recording } from './recording.ts'

const STORED = /^HTTP\/1\.1 200 /
const OPENING = /"session":"(\d+)"/

/** What a process had told others by some moment, and is held to. */
export class Told {
  /** Values whose sender was answered that they are stored. */
  readonly stored = new Set<string>()
  /** The highest session that it used. */
  session = 0
  readonly #posted: Recording['posted']
  readonly #answers = new Map<number, number>()

  constructor(posted: Recording['posted']) {
    this.#posted = posted
  }

  apply(event: DiskEvent): void {
    if (event.kind !== 'told') return
    const text = event.bytes.toString('latin1')
    const session = OPENING.exec(text)?.[1]
    if (session !== undefined) this.session = Math.max(this.session, Number(session))
    if (!STORED.test(text)) return
    const port = Number(/->[^\]]*:(\d+)\]/.exec(event.socket)?.[1])
    const answer = this.#answers.get(port) ?? 0
    this.#answers.set(port, answer + 1)
    const value = this.#posted.get(port)?.[answer]
    if (value !== undefined) this.stored.add(value)
  }
}
