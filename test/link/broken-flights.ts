import type { CutBatch } from '../../src/buffer/buffer.ts'
import { Flight } from '../../src/link/flight.ts'
import { readBatchHeader } from '../../src/record/batch-header.ts'
import { decodeBatch } from '../../src/record/batch-reader.ts'
import { BatchWriter } from '../../src/record/batch-writer.ts'

/** BROKEN on purpose: does not wait until all is back, and sends what came back last first. */
export class SendsBackwards extends Flight {
  readonly #back: CutBatch[] = []

  override get holds(): boolean {
    return false
  }

  override markReturned(batch: CutBatch): void {
    super.markReturned(batch)
    this.#back.unshift(batch)
  }

  override waiting(): CutBatch | undefined {
    return this.#back[0] ?? super.waiting()
  }

  override markSent(batch: CutBatch): void {
    super.markSent(batch)
    this.#back.splice(0, this.#back.length, ...this.#back.filter(other => other !== batch))
  }
}

/** BROKEN on purpose: what came back is cut anew, under the numbers that follow its old ones. */
export class CutsAnew extends Flight {
  readonly #anew = new Map<CutBatch, CutBatch>()
  readonly #returned = new Set<CutBatch>()

  override markReturned(batch: CutBatch): void {
    super.markReturned(this.#original(batch))
    this.#returned.add(this.#original(batch))
  }

  override waiting(): CutBatch | undefined {
    const batch = super.waiting()
    if (!batch || !this.#returned.has(batch)) return batch
    const anew = renumbered(batch)
    this.#anew.set(anew, batch)
    return anew
  }

  override markSent(batch: CutBatch): void {
    super.markSent(this.#original(batch))
  }

  override markAccepted(batch: CutBatch): number | undefined {
    return super.markAccepted(this.#original(batch))
  }

  override awaits(batch: CutBatch): boolean {
    return super.awaits(this.#original(batch))
  }

  #original(batch: CutBatch): CutBatch {
    return this.#anew.get(batch) ?? batch
  }
}

function renumbered(batch: CutBatch): CutBatch {
  const { producerId, producerEpoch } = readBatchHeader(batch.bytes)
  const sequence = batch.sequence + batch.count
  const writer = new BatchWriter()
  writer.begin({ key: `gw-1/${batch.source}`, producerId, epoch: producerEpoch, epochStart: 0, sequence })
  for (const { timeMs, value } of decodeBatch(batch.bytes)) writer.append(timeMs, value ?? Buffer.alloc(0), 0, value?.length ?? 0)
  return { ...batch, ...writer.finish('none') }
}
