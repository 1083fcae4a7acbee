import type { BatchIdentity } from '../record/batch-writer.ts'
import type { Gap } from '../record/record.ts'
import { ownMemoryOf } from '../runtime/give-back.ts'
import { type Cargo, CargoReader, CargoWriter } from './cargo.ts'
import type { BlockRow, Commit, CommitResult, Step, StepResult, StoredBatch } from './store-calls.ts'

/*
  A commit on its way to the thread of the store, and what became of it on its way back. Nearly all steps insert a block, and nearly all results are one batch or one block: these are cargo, and
  all else goes as the object that it is.

    step     at source count baseTimeMs lastTimeMs bytesMax plain identity (producerId epoch epochStart sequence)?
    result   at id source first count timeMs bytes isBatch data?

  `at`: the step's place among all. NaN stands for what is not there.
*/
type Insert = Extract<Step, { kind: 'insert' }>

const STEP_NUMBERS = 14
const RESULT_NUMBERS = 11
const IDENTITY = { none: 0, cut: 1, likely: 2 } as const

type Elsewhere<T> = readonly (readonly [at: number, it: T])[]

export interface PackedCommit {
  readonly count: number
  readonly inserts: Cargo
  readonly keys: readonly (string | null)[]
  readonly extras: Elsewhere<{ readonly gap?: Gap; readonly bookmark?: string }>
  readonly others: Elsewhere<Step>
  readonly rest: Omit<Commit, 'steps'>
}

export interface PackedResult {
  readonly count: number
  readonly rows: Cargo
  readonly others: Elsewhere<StepResult>
  readonly disk: CommitResult['disk']
}

export interface Packed<T> {
  readonly packed: T
  readonly moved: ArrayBuffer[]
}

/** The steps of a commit that carry records. */
export function insertsOf({ steps }: Pick<Commit, 'steps'>): Insert[] {
  return steps.filter(step => step.kind === 'insert')
}

/** The memory of a block that is moved; undefined of one that is copied, and stays with whoever made it. */
export function movedMemoryOf({ plain, isShared }: Insert): ArrayBuffer | undefined {
  return isShared ? undefined : (plain.buffer as ArrayBuffer)
}

export function packCommit(commit: Commit): Packed<PackedCommit> {
  const { steps, ...rest } = commit
  const inserts = insertsOf(commit)
  const copiedBytes = inserts.reduce((sum, { plain, isShared }) => (isShared ? sum + plain.length : sum), 0)
  const out = new CargoWriter(inserts.length * STEP_NUMBERS, copiedBytes)
  const keys: (string | null)[] = []
  const extras: [number, { gap?: Gap; bookmark?: string }][] = []
  const others: [number, Step][] = []
  for (const [at, step] of steps.entries()) {
    if (step.kind !== 'insert') {
      others.push([at, step])
      continue
    }
    const identity = step.cut ?? step.likely
    out.number(at)
    out.number(step.source)
    out.number(step.count)
    out.number(step.baseTimeMs)
    out.number(step.lastTimeMs)
    out.number(step.bytesMax ?? Number.NaN)
    out.bytes(step.plain, movedMemoryOf(step))
    out.number(step.cut ? IDENTITY.cut : identity ? IDENTITY.likely : IDENTITY.none)
    if (identity) {
      out.number(identity.producerId)
      out.number(identity.epoch)
      out.number(identity.epochStart)
      out.number(identity.sequence)
      keys.push(identity.key)
    }
    const { gap, bookmark } = step
    if (gap || bookmark !== undefined) extras.push([at, { ...(gap && { gap }), ...(bookmark !== undefined && { bookmark }) }])
  }
  const { cargo, moved } = out.end()
  return { packed: { count: steps.length, inserts: cargo, keys, extras, others, rest }, moved }
}

export function unpackCommit({ count, inserts, keys, extras, others, rest }: PackedCommit): Commit {
  const steps = new Array<Step>(count)
  for (const [at, step] of others) steps[at] = step
  const from = new CargoReader(inserts)
  let identities = 0
  while (!from.isEmpty) {
    const at = from.number()
    const [source, blockRecords, baseTimeMs, lastTimeMs] = [from.number(), from.number(), from.number(), from.number()]
    const bytesMax = from.number()
    const plain = from.bytes()
    const kind = from.number()
    const identity = kind === IDENTITY.none ? undefined : identityFrom(from, keys[identities++] ?? null)
    steps[at] = {
      kind: 'insert',
      source,
      plain,
      count: blockRecords,
      baseTimeMs,
      lastTimeMs,
      ...(identity && (kind === IDENTITY.cut ? { cut: identity } : { likely: identity })),
      ...(!Number.isNaN(bytesMax) && { bytesMax }),
    }
  }
  for (const [at, extra] of extras) Object.assign(steps[at] as Insert, extra)
  return { steps, ...rest }
}

function identityFrom(from: CargoReader, key: string | null): BatchIdentity {
  return { key, producerId: from.number(), epoch: from.number(), epochStart: from.number(), sequence: from.number() }
}

export function packResult({ results, disk }: CommitResult): Packed<PackedResult> {
  const copiedBytes = results.reduce((sum, result) => sum + copiedBytesOf(alone(result)?.batch?.bytes), 0)
  const out = new CargoWriter(results.length * RESULT_NUMBERS, copiedBytes)
  const others: [number, StepResult][] = []
  for (const [at, result] of results.entries()) {
    const only = alone(result)
    if (!only) {
      others.push([at, result])
      continue
    }
    const { row, batch } = only
    out.number(at)
    out.number(row.id)
    out.number(row.source)
    out.number(row.first ?? Number.NaN)
    out.number(row.count)
    out.number(row.timeMs)
    out.number(row.bytes)
    out.number(batch ? 1 : 0)
    if (batch) out.bytes(batch.bytes, ownMemoryOf(batch.bytes))
  }
  const { cargo, moved } = out.end()
  return { packed: { count: results.length, rows: cargo, others, disk }, moved: [...moved, ...others.flatMap(memoriesOf)] }
}

export function unpackResult({ count, rows, others, disk }: PackedResult): CommitResult {
  const results = new Array<StepResult>(count)
  for (const [at, result] of others) {
    if (result.kind === 'cut') for (const { batch } of result.batches) restore(batch)
    results[at] = result
  }
  const from = new CargoReader(rows)
  while (!from.isEmpty) {
    const at = from.number()
    const [id, source, first] = [from.number(), from.number(), from.number()]
    const [records, timeMs, bytes] = [from.number(), from.number(), from.number()]
    const row: BlockRow = { id, source, first: Number.isNaN(first) ? null : first, count: records, timeMs, bytes }
    const isBatch = from.number() === 1
    results[at] = isBatch
      ? { kind: 'cut', batches: [{ row, batch: { sequence: first, count: records, bytes: from.bytes() } }] }
      : { kind: 'inserted', row }
  }
  return { results, disk }
}

/** The one row that nearly all results are, and its batch if it is one; undefined of any other result. */
function alone(result: StepResult): { readonly row: BlockRow; readonly batch: StoredBatch['batch'] | undefined } | undefined {
  if (result.kind === 'inserted') return { row: result.row, batch: undefined }
  if (result.kind !== 'cut' || result.damaged !== undefined || result.batches.length !== 1) return undefined
  return result.batches[0]
}

function copiedBytesOf(bytes: Buffer | undefined): number {
  return bytes && !ownMemoryOf(bytes) ? bytes.length : 0
}

function memoriesOf([, result]: readonly [number, StepResult]): ArrayBuffer[] {
  return result.kind === 'cut' ? result.batches.flatMap(({ batch }) => ownMemoryOf(batch.bytes) ?? []) : []
}

/** A Buffer arrives from another thread as a Uint8Array. */
export function restore(holder: { readonly bytes: Buffer }): void {
  const { buffer, byteOffset, byteLength } = holder.bytes as Uint8Array
  Object.assign(holder, { bytes: Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength) })
}
