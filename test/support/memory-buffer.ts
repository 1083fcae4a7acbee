import type {
  Assignment,
  BufferedCounts,
  CutBatch,
  DiskCounts,
  EdgeBuffer,
  Freeze,
  Inlet,
  Kept,
  Outlet,
  OwnBatch,
} from '../../src/buffer/buffer.ts'
import { readBatchHeader } from '../../src/record/batch-header.ts'
import { BatchWriter } from '../../src/record/batch-writer.ts'
import { encodePlaceholder } from '../../src/record/placeholder.ts'
import type { EncodedBatch, GapReason } from '../../src/record/record.ts'

const RECORD_TIME_MS = 1_767_225_600_000

/** One source as it lies on the disk of a {@link MemoryBuffer}. */
class SourceOnDisk {
  readonly source: string
  readonly topic: string
  readonly priority: number
  assignment: Assignment | undefined
  frozen: Freeze | undefined
  settled = 0
  next = 0
  /** Cut, whole, from the oldest kept on. */
  cut: CutBatch[] = []
  /** Records that have no number yet. */
  uncut: Buffer[] = []
  given = 0

  constructor(source: string, topic: string, priority: number) {
    this.source = source
    this.topic = topic
    this.priority = priority
  }
}

/** What outlives a gateway's process. A copy of it is a cloned disk. */
export class MemoryDisk {
  readonly sources = new Map<string, SourceOnDisk>()
  session = 0
  instance: string

  constructor(instance: string) {
    this.instance = instance
  }

  clone(instance: string): MemoryDisk {
    const copy = new MemoryDisk(instance)
    copy.session = this.session
    for (const [name, source] of this.sources) {
      const copied = Object.assign(new SourceOnDisk(source.source, source.topic, source.priority), source)
      copied.cut = [...source.cut]
      copied.uncut = [...source.uncut]
      copy.sources.set(name, copied)
    }
    return copy
  }
}

/**
 * A MODEL of the gateway's buffer, in memory: cuts once, keeps what it cut, gives the same bytes again. For deterministic schedules; the real one is
 * tested with the link in direct.test.ts.
 */
export class MemoryBuffer implements EdgeBuffer {
  readonly #gateway: string
  readonly #disk: MemoryDisk
  readonly #outlets = new Map<string, MemoryOutlet>()
  /** Records in a batch, at the most. */
  readonly #batchRecordsMax: number
  #onReady: ((source: string) => void) | undefined

  constructor(gateway: string, disk: MemoryDisk, batchRecordsMax = 10) {
    this.#gateway = gateway
    this.#disk = disk
    this.#batchRecordsMax = batchRecordsMax
    for (const source of disk.sources.values()) this.#open(source)
  }

  get instance(): string {
    return this.#disk.instance
  }

  addSource(source: string, topic: string, priority = 0): void {
    if (this.#disk.sources.has(source)) return
    const onDisk = new SourceOnDisk(source, topic, priority)
    this.#disk.sources.set(source, onDisk)
    this.#open(onDisk)
  }

  /** The device gives `count` more records: `<source>#<n>`, n from 0 on. */
  give(source: string, count: number): void {
    const onDisk = this.#disk.sources.get(source)
    if (!onDisk) throw new Error(`no source ${source}`)
    for (let index = 0; index < count; index++) onDisk.uncut.push(Buffer.from(`${source}#${onDisk.given++}`))
    this.#onReady?.(source)
  }

  /** Records of a source that have no number yet. */
  uncut(source: string): number {
    return this.#disk.sources.get(source)?.uncut.length ?? 0
  }

  inlet(): Inlet {
    throw new Error('the model is written to by give()')
  }

  outlets(): readonly Outlet[] {
    return [...this.#outlets.values()]
  }

  outlet(source: string): MemoryOutlet | undefined {
    return this.#outlets.get(source)
  }

  attachLink(onReady: (source: string) => void): void {
    this.#onReady = onReady
  }

  detachLink(): void {
    this.#onReady = undefined
  }

  async nextSession(above = 0): Promise<number> {
    this.#disk.session = Math.max(this.#disk.session, above) + 1
    return this.#disk.session
  }

  configure(): void {
    throw new Error('the model gets its sources by addSource()')
  }

  async answered(): Promise<void> {}

  disk(): DiskCounts {
    return { quotaBytes: 0, usedBytes: 0, writtenBytes: 0, writtenPerDayBytes: null, flashBytesPerDay: null }
  }

  hurry(): void {}

  async close(): Promise<void> {
    this.detachLink()
  }

  #open(source: SourceOnDisk): void {
    const key = `${this.#gateway}/${source.source}`
    this.#outlets.set(source.source, new MemoryOutlet(key, source, this.#batchRecordsMax, () => this.#onReady))
  }
}

export class MemoryOutlet implements Outlet {
  readonly #key: string
  readonly #disk: SourceOnDisk
  readonly #batchRecordsMax: number
  readonly #link: () => ((source: string) => void) | undefined
  readonly #writer = new BatchWriter()
  position: number

  constructor(key: string, disk: SourceOnDisk, batchRecordsMax: number, link: () => ((source: string) => void) | undefined) {
    this.#key = key
    this.#disk = disk
    this.#batchRecordsMax = batchRecordsMax
    this.#link = link
    this.position = disk.settled
  }

  get source(): string {
    return this.#disk.source
  }

  get topic(): string {
    return this.#disk.topic
  }

  get priority(): number {
    return this.#disk.priority
  }

  get assignment(): Assignment | undefined {
    return this.#disk.assignment
  }

  get frozen(): Freeze | undefined {
    return this.#disk.frozen
  }

  get settled(): number {
    return this.#disk.settled
  }

  get next(): number {
    return this.#disk.next
  }

  take(): CutBatch | undefined {
    if (this.position === this.#disk.next) this.#cut()
    const batch = this.#disk.cut.find(({ sequence }) => sequence === this.position)
    if (batch) this.position = batch.sequence + batch.count
    return batch
  }

  settle(sequence: number): void {
    if (sequence > this.#disk.next) throw new Error(`settles ${sequence}, cut only up to ${this.#disk.next}`)
    this.#disk.settled = Math.max(this.#disk.settled, sequence)
    this.position = Math.max(this.position, sequence)
  }

  async rewind(sequence: number): Promise<void> {
    const oldest = this.#disk.cut[0]?.sequence ?? this.#disk.next
    if (sequence < oldest) this.#disk.cut.unshift(this.#placeholder(sequence, oldest, 'core_lost'))
    this.#disk.settled = sequence
    this.position = sequence
  }

  async batchBefore(end: number): Promise<OwnBatch | undefined> {
    return this.#disk.cut.find(({ sequence, count }) => sequence < end && sequence + count >= end)
  }

  async kept(from: number, to: number): Promise<Kept> {
    const batches = this.#disk.cut.filter(({ sequence, count }) => sequence + count > from && sequence < to)
    const gone: { from: number; to: number }[] = []
    let next = from
    for (const { sequence, count } of batches) {
      if (sequence > next) gone.push({ from: next, to: sequence })
      next = sequence + count
    }
    if (next < to) gone.push({ from: next, to })
    return { batches, gone }
  }

  async fill(from: number, to: number): Promise<void> {
    this.#disk.cut = [this.#placeholder(from, to, 'buffer_lost')]
    this.#disk.settled = from
    this.position = from
  }

  async assign(assignment: Assignment): Promise<void> {
    this.#disk.assignment = assignment
  }

  async freeze(why: Freeze): Promise<void> {
    this.#disk.frozen = why
  }

  async resume(assignment: Assignment, end: number): Promise<void> {
    const lost = this.#disk.cut
      .filter(({ sequence }) => sequence >= this.#disk.settled)
      .reduce((sum, { count }) => sum + count, 0)
    this.#disk.assignment = assignment
    this.#disk.frozen = undefined
    this.#disk.settled = end
    this.position = end
    this.#disk.next = end + 1
    const gap = { records: lost, from: '', to: '', reason: 'resumed' } as const
    this.#disk.cut = [
      this.#finish(encodePlaceholder(this.#writer, this.#identity(end), { count: 1, timeMs: RECORD_TIME_MS, gap })),
    ]
  }

  get recordsBuffered(): number {
    return this.#disk.next - this.#disk.settled + this.#disk.uncut.length
  }

  buffered(): BufferedCounts {
    return { records: this.recordsBuffered, bytes: 0 }
  }

  /** Forgets settled batches below `sequence`. */
  forget(sequence: number): void {
    this.#disk.cut = this.#disk.cut.filter(batch => batch.sequence + batch.count > sequence)
  }

  #cut(): void {
    if (!this.#link() || !this.#disk.assignment || this.#disk.uncut.length === 0) return
    const records = this.#disk.uncut.splice(0, this.#batchRecordsMax)
    this.#writer.begin(this.#identity(this.#disk.next))
    for (const record of records) this.#writer.append(RECORD_TIME_MS, record, 0, record.length)
    const batch = this.#finish(this.#writer.finish('none'))
    this.#disk.cut.push(batch)
    this.#disk.next = batch.sequence + batch.count
  }

  #placeholder(from: number, to: number, reason: GapReason): CutBatch {
    const gap = { records: to - from, from: '', to: '', reason }
    return this.#finish(encodePlaceholder(this.#writer, this.#identity(from), { count: to - from, timeMs: RECORD_TIME_MS, gap }))
  }

  #identity(sequence: number) {
    const { producerId, epoch, epochStart } = this.#disk.assignment ?? { producerId: 0, epoch: 0, epochStart: 0 }
    return { key: this.#key, producerId, epoch, epochStart, sequence }
  }

  #finish(batch: EncodedBatch): CutBatch {
    const { crc, producerEpoch } = readBatchHeader(batch.bytes)
    return { ...batch, source: this.#disk.source, epoch: producerEpoch, crc }
  }
}
