import type { Assignment, BufferedCounts, CutBatch, Freeze, Kept, Outlet, OwnBatch } from './buffer.ts'
import type { SourceBuffer } from './source-buffer.ts'

/** What the link may ask of a source, as the buffer does it. */
export interface OutletHost {
  take(source: SourceBuffer): CutBatch | undefined
  settle(source: SourceBuffer, sequence: number): void
  rewind(source: SourceBuffer, sequence: number): Promise<void>
  batchBefore(source: SourceBuffer, end: number): Promise<OwnBatch | undefined>
  kept(source: SourceBuffer, from: number, to: number): Promise<Kept>
  fill(source: SourceBuffer, from: number, to: number): Promise<void>
  assign(source: SourceBuffer, assignment: Assignment): Promise<void>
  freeze(source: SourceBuffer, why: Freeze): Promise<void>
  resume(source: SourceBuffer, assignment: Assignment, end: number): Promise<void>
}

/** The link's view of one source. */
export class SourceOutlet implements Outlet {
  readonly #host: OutletHost
  readonly #source: SourceBuffer

  constructor(host: OutletHost, source: SourceBuffer) {
    this.#host = host
    this.#source = source
  }

  get source(): string {
    return this.#source.source
  }

  get topic(): string {
    return this.#source.settings.topic
  }

  get priority(): number {
    return this.#source.settings.priority
  }

  get assignment(): Assignment | undefined {
    return this.#source.assignment
  }

  get frozen(): Freeze | undefined {
    return this.#source.frozen
  }

  get settled(): number {
    return this.#source.settled
  }

  get next(): number {
    return this.#source.next
  }

  get position(): number {
    return this.#source.position
  }

  take(): CutBatch | undefined {
    return this.#host.take(this.#source)
  }

  settle(sequence: number): void {
    this.#host.settle(this.#source, sequence)
  }

  rewind(sequence: number): Promise<void> {
    return this.#host.rewind(this.#source, sequence)
  }

  batchBefore(end: number): Promise<OwnBatch | undefined> {
    return this.#host.batchBefore(this.#source, end)
  }

  kept(from: number, to: number): Promise<Kept> {
    return this.#host.kept(this.#source, from, to)
  }

  fill(from: number, to: number): Promise<void> {
    return this.#host.fill(this.#source, from, to)
  }

  assign(assignment: Assignment): Promise<void> {
    return this.#host.assign(this.#source, assignment)
  }

  freeze(why: Freeze): Promise<void> {
    return this.#host.freeze(this.#source, why)
  }

  resume(assignment: Assignment, end: number): Promise<void> {
    return this.#host.resume(this.#source, assignment, end)
  }

  get recordsBuffered(): number {
    return this.#source.recordsBuffered
  }

  buffered(): BufferedCounts {
    return this.#source.buffered()
  }
}
