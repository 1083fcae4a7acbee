import type { Connection } from '../../src/amqp/amqp.ts'
import { parseDataAddress } from '../../src/amqp/messages.ts'
import type { CutBatch, EdgeBuffer, Outlet } from '../../src/buffer/buffer.ts'
import type { Commit, Step } from '../../src/buffer/store-calls.ts'
import type { AsyncStore } from '../../src/buffer/store-thread.ts'
import { standingOf } from '../../src/ingress/gate.ts'
import { Suspicion } from '../../src/ingress/suspicion.ts'
import { Flight, type InFlight } from '../../src/link/flight.ts'
import type { Appended, Log } from '../../src/log/log.ts'
import { readBatchHeader } from '../../src/record/batch-header.ts'
import { CutsAnew, SendsBackwards } from '../link/broken-flights.ts'
import { GreedyIndex } from './greedy-index.ts'
import type { Parts } from './plant.ts'

/** The same object with some of its members replaced. */
function withParts<T extends object>(target: T, parts: Partial<T>): T {
  return new Proxy(target, {
    get(_, key) {
      if (key in parts) return Reflect.get(parts, key)
      const member: unknown = Reflect.get(target, key, target)
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}

function withCommits(change: (commit: Commit) => Commit): (store: AsyncStore) => AsyncStore {
  return store => ({ ...store, commit: commit => store.commit(change(commit)) })
}

function withSteps(change: (step: Step) => Step): (store: AsyncStore) => AsyncStore {
  return withCommits(commit => ({ ...commit, steps: commit.steps.map(change) }))
}

function withOutlets(change: (outlet: Outlet) => Partial<Outlet>): (buffer: EdgeBuffer) => EdgeBuffer {
  return buffer => {
    const changed = (outlet: Outlet) => withParts(outlet, change(outlet))
    return withParts(buffer, {
      outlets: () => buffer.outlets().map(changed),
      outlet: source => {
        const outlet = buffer.outlet(source)
        return outlet && changed(outlet)
      },
    })
  }
}

/** Takes what comes back for something that arrived. */
class SettlesWithoutAccept extends Flight {
  readonly #unaccepted = new Set<CutBatch>()

  override markReturned(batch: CutBatch): void {
    this.#unaccepted.add(batch)
  }

  override markAccepted(batch: CutBatch): number | undefined {
    let settled = super.markAccepted(batch)
    for (const other of this.#unaccepted) if (this.awaits(other)) settled = super.markAccepted(other) ?? settled
    this.#unaccepted.clear()
    return settled
  }
}

/** Gives a batch up the first time that it is refused: a log that was wrong for a moment costs records. */
class GivesUpAtOnce extends Suspicion {
  override get hopeless(): boolean {
    return this.tries > 0
  }
}

/** Puts a placeholder in the place of a batch that lies nowhere. */
class KeepsNoLetter extends Suspicion {
  override get hopeless(): boolean {
    this.buried = super.hopeless
    return this.buried
  }
}

/** Takes the answer for the first partition of a request for that of all others that were under way with it. */
function withOneAnswer(log: Log): Log {
  let first: Promise<Appended> | undefined
  return withParts(log, {
    append: async (place, batch, proof) => {
      const own = log.append(place, batch, proof)
      const leading = first ?? own
      first = leading
      if (leading === own) void own.finally(() => (first = undefined))
      await own
      const answer = await leading
      return answer.outcome === 'appended' ? { outcome: 'appended', offset: batch.sequence } : answer
    },
  })
}

/** A data link is called when it has credit for the first time; what comes later is seen only by who looks. */
function withFirstRoomOnly(connection: Connection): Connection {
  return withParts(connection, {
    openSender: async options => {
      const sender = await connection.openSender(options)
      if (!parseDataAddress(options.address ?? '')) return sender
      let isFirst = true
      const onRoom = (call: () => void) =>
        sender.onRoom(() => {
          if (isFirst) call()
          isFirst = false
        })
      return withParts(sender, { onRoom })
    },
  })
}

/** Takes where a partition ended for where it ends, however long ago that was read. */
export const KEEPS_ITS_PROOFS: Parts = {
  log: log =>
    withParts(log, {
      append: (place, batch, proof) => log.append(place, batch, Object.assign(proof, { answeredAtMs: Number.POSITIVE_INFINITY })),
    }),
}

/** Each has one bug, and nothing else is wrong with it. The simulation has to find every one. */
export const BUGS: Readonly<Record<string, Parts>> = {
  'sends again last first': { newFlight: () => new SendsBackwards() },
  'cuts anew what it sends again': { newFlight: () => new CutsAnew() },
  'forgets what came back': { newFlight: () => new SettlesWithoutAccept() },
  'has six batches on their way': { newFlight: () => withParts<InFlight>(new Flight(), { max: 6 }) },
  'lets pass what is ahead': { standing: (batch, next) => (batch.sequence > next ? 'next' : standingOf(batch, next)) },
  'takes a batch for the log as stored though the log never answered': {
    log: log =>
      withParts(log, {
        append: async (place, batch, proof) => {
          const answer = await log.append(place, batch, proof)
          return answer.outcome === 'unavailable' ? { outcome: 'appended', offset: batch.sequence } : answer
        },
      }),
  },
  'takes a batch that the log refuses for stored': {
    log: log =>
      withParts(log, {
        append: async (place, batch, proof) => {
          const answer = await log.append(place, batch, proof)
          const isRefused = answer.outcome === 'refused' && answer.reason !== 'proof_void' && answer.reason !== 'gap'
          return isRefused ? { outcome: 'appended', offset: batch.sequence } : answer
        },
      }),
  },
  'gives up a batch that the log refused once': { newSuspicion: of => new GivesUpAtOnce(of) },
  'gives up a batch without keeping it': { newSuspicion: of => new KeepsNoLetter(of) },
  'reads one answer for all partitions of a request': { log: withOneAnswer },
  'passes on what it has not checked': { check: bytes => ({ ok: true, header: readBatchHeader(bytes) }) },
  'takes a topic as it is set': {
    log: log =>
      withParts(log, { claim: async (source, topic) => (await log.claimOf(source)) ?? (await log.claim(source, topic)) }),
  },
  'gives to all what it looked for one': { newIndex: hooks => new GreedyIndex(hooks) },
  'waits for credit and is not called when it comes': { connection: withFirstRoomOnly },
  'reserves no numbers ahead': { store: withCommits(({ steps, marks }) => ({ steps, ...marksWithoutNumbers(marks) })) },
  'says nothing of what gave way': {
    store: withSteps(step => {
      if (step.kind !== 'insert' && step.kind !== 'merge') return step
      const { gap: _, ...silent } = step
      return silent
    }),
  },
  'does not keep what the opening said': {
    store: withSteps(step => (step.kind === 'source' ? { ...step, row: { ...step.row, assignment: null } } : step)),
  },
  'forgets its next number with the batches that told it': {
    store: withSteps(step => (step.kind === 'source' ? { ...step, row: { ...step.row, next: 0, settled: 0 } } : step)),
  },
  'goes back one batch too few': {
    buffer: withOutlets(outlet => ({
      rewind: async sequence => {
        await outlet.rewind(sequence)
        outlet.settle(Math.min(outlet.next, sequence + 1))
      },
    })),
  },
  'does not go back': { buffer: withOutlets(() => ({ rewind: async () => {} })) },
  'opens with the session that it had': {
    buffer: buffer => {
      let session: Promise<number> | undefined
      return withParts(buffer, {
        nextSession: above => {
          session = above === undefined && session ? session : buffer.nextSession(above)
          return session
        },
      })
    },
  },
  'tells of placeholders that it did not write': {
    store: store => ({
      ...store,
      commit: async ({ steps, marks }) =>
        store.commit({ steps: steps.filter(({ kind }) => kind !== 'placeholder'), ...(marks === undefined ? {} : { marks }) }),
    }),
  },
}

function marksWithoutNumbers(marks: string | undefined): { marks?: string } {
  return marks === undefined ? {} : { marks: marks.replaceAll(/"mark":\d+/g, '"mark":0') }
}
