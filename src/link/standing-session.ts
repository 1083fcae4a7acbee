import type { Sender } from '../amqp/amqp.ts'
import { type OpenRequest, PROTOCOL_VERSION } from '../amqp/messages.ts'
import type { EdgeBuffer } from '../buffer/buffer.ts'
import type { Clock } from '../runtime/clock.ts'
import { messageOf } from '../runtime/errors.ts'
import type { Budget } from './budget.ts'
import { DataSession } from './data-session.ts'
import type { Lane } from './lane.ts'
import type { Lanes } from './lanes.ts'
import type { LinkLimits } from './limits.ts'
import type { OpeningChannel } from './opening-channel.ts'
import type { Patience } from './patience.ts'
import type { Reports } from './reports.ts'
import type { Telling } from './telling.ts'

/** How often the session is looked at, ms. */
const WATCH_EVERY_MS = 250
/** Sources that one look is about: those of a large gateway in turn, so that none of its looks takes long. */
const WATCHED_AT_ONCE = 1_000
/** How long the core may take to say where a source ends, ms. */
const END_TIMEOUT_MS = 3_000

export interface StandingSessionDeps {
  readonly gateway: string
  readonly session: number
  readonly buffer: EdgeBuffer
  readonly lanes: Lanes
  readonly telling: Telling
  readonly sender: Sender
  readonly channel: OpeningChannel
  readonly patience: Patience
  readonly clock: Clock
  readonly budget?: Budget | undefined
  readonly reports?: Reports | undefined
  /** For so long the core may hold the session back because of a quota, ms. */
  readonly silenceMs: number
  /** It looked after what goes on: every few seconds at the latest, whatever it found. */
  readonly onTurn: () => void
  /** Something was accepted. */
  readonly onProgress: () => void
  readonly limits: LinkLimits
}

/** A session in which batches may be sent: from the opening that was taken in until there is a reason to open anew. */
export class StandingSession {
  readonly #deps: StandingSessionDeps
  readonly #data: DataSession
  readonly #over = Promise.withResolvers<string>()
  /** The lane at which the next look begins. */
  #watchedTo = 0

  constructor(deps: StandingSessionDeps) {
    this.#deps = deps
    const { gateway, session, sender, clock, patience, budget, onProgress, limits } = deps
    this.#data = new DataSession({
      gateway,
      session,
      sender,
      clock,
      budget,
      limits,
      onProgress: () => {
        patience.accepted(clock.monotonicMs())
        onProgress()
      },
      onFailure: cause => this.over(messageOf(cause)),
    })
    void sender.closed.then(error =>
      this.over(error ? `the data link was closed: ${error.condition} ${error.description}` : 'the data link was closed'),
    )
  }

  /** There is a reason to end it; the first one counts. */
  over(why: string): void {
    this.#over.resolve(why)
  }

  /** Lets batches be cut and sent. Resolves with the reason why the session is over; {@link end} has to follow. */
  async run(): Promise<string> {
    const { buffer, lanes, patience, clock } = this.#deps
    patience.begin(clock.monotonicMs(), this.#deps.silenceMs)
    buffer.attachLink(source => {
      const lane = lanes.get(source)
      if (lane) this.#data.wake(lane)
    })
    this.#data.wakeAll(lanes)
    this.#watchLater()
    this.#deps.reports?.begin(this.#deps.channel, this.#deps.session)
    return this.#over.promise
  }

  /** Sends nothing more; resolves when it is known what became of all that is on its way. */
  drain(): Promise<void> {
    return this.#data.drain()
  }

  /** Is deaf from here on; what was in flight is taken back. */
  end(): void {
    this.#data.end()
    this.#deps.reports?.end()
    this.#deps.buffer.detachLink()
    this.#deps.lanes.close()
  }

  #watchLater(): void {
    this.#deps.clock.after(WATCH_EVERY_MS, () => this.#watch(), 'background')
  }

  #watch(): void {
    if (this.#data.ended) return
    this.#deps.onTurn()
    const { lanes, telling, patience, clock, budget } = this.#deps
    lanes.refresh()
    const floor = budget?.floor ?? Number.NEGATIVE_INFINITY
    const pending = lanes.all.some(lane => lane.pending && lane.priority >= floor)
    const facts = { pending, starved: this.#data.starved }
    if (budget) this.#data.look()
    if (budget?.isOver(pending || this.#data.batchesInFlight > 0)) this.over('the budget allows nothing more now')
    const why = patience.lost(clock.monotonicMs(), facts)
    if (why) this.over(why)
    const mayBeHeld = this.#deps.silenceMs > 0 || budget !== undefined
    const unsure = this.#nextWatched().filter(lane => lane.watch(mayBeHeld) || telling.isDue(lane))
    if (unsure.length > 0) this.#askEnds(unsure).catch(cause => this.over(messageOf(cause)))
    this.#watchLater()
  }

  #nextWatched(): readonly Lane[] {
    const { all } = this.#deps.lanes
    const from = this.#watchedTo < all.length ? this.#watchedTo : 0
    this.#watchedTo = from + WATCHED_AT_ONCE
    return all.slice(from, this.#watchedTo)
  }

  /** Asks, within the session, for the ends of sources that do not move, could not be opened, or have news. */
  async #askEnds(unsure: readonly Lane[]): Promise<void> {
    const { gateway, session, buffer, lanes, telling, channel } = this.#deps
    const sources = telling.of(unsure)
    const request: OpenRequest = { version: PROTOCOL_VERSION, gateway, instance: buffer.instance, session, sources, ask: 'ends' }
    const answer = await channel.ask(request, END_TIMEOUT_MS)
    if (answer.kind !== 'reply') return
    const { reply } = answer
    if ('error' in reply) {
      this.over(reply.error.message)
      return
    }
    for (const entry of reply.sources) {
      const lane = lanes.get(entry.source)
      if (!lane) continue
      telling.heard(entry)
      const heard = await lane.hear({ entry, log: reply.log, resumed: false }, () => !this.#data.ended)
      if (!heard) this.over(`${entry.source} needs an opening`)
      this.#data.wake(lane)
    }
  }
}
