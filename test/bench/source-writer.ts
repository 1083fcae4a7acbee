import type { Claim, Log, PartitionEnd } from '../../src/log/log.ts'
import { BatchWriter } from '../../src/record/batch-writer.ts'

export interface WrittenRecord {
  readonly timeMs: number
  readonly value: object
}

/** Writes batches of one source into a log, as an ingress would: one after another. */
export class SourceWriter {
  readonly #log: Log
  readonly name: string
  readonly #topic: string
  readonly #writer = new BatchWriter()
  #claim: Claim | undefined
  #end: PartitionEnd | undefined

  constructor(log: Log, name: string, topic: string) {
    this.#log = log
    this.name = name
    this.#topic = topic
  }

  async write(records: readonly WrittenRecord[]): Promise<void> {
    this.#claim ??= await this.#log.claim({ gateway: 'bench', source: this.name }, this.#topic)
    this.#end ??= await this.#log.end(this.#claim)
    const { producerId, epoch, epochStart } = this.#claim
    this.#writer.begin({ key: `bench/${this.name}`, producerId, epoch, epochStart, sequence: this.#end.next })
    for (const { timeMs, value } of records) {
      const bytes = Buffer.from(JSON.stringify(value))
      this.#writer.append(timeMs, bytes, 0, bytes.length)
    }
    const batch = this.#writer.finish('none')
    let appended = await this.#log.append(this.#claim, batch, this.#end.proof)
    if (appended.outcome === 'refused' && appended.reason === 'proof_void') {
      this.#end = { ...this.#end, proof: (await this.#log.end(this.#claim)).proof }
      appended = await this.#log.append(this.#claim, batch, this.#end.proof)
    }
    if (appended.outcome !== 'appended') throw new Error(JSON.stringify(appended))
    this.#end = { ...this.#end, next: this.#end.next + records.length }
  }
}
