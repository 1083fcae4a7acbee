import type { Connection, Delivery, Receiver, Sender } from '../amqp/amqp.ts'
import {
  controlSchema,
  OPEN_ERROR,
  type OpenReply,
  type OpenRequest,
  PROTOCOL_VERSION,
  QUEUE,
  QUEUE_CAPABILITIES,
} from '../amqp/messages.ts'
import type { EdgeBuffer } from '../buffer/buffer.ts'
import { Backoff } from '../runtime/backoff.ts'
import { type Clock, pause } from '../runtime/clock.ts'
import { messageOf } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'
import { AskedAgain } from './asked-again.ts'
import type { Budget } from './budget.ts'
import { DataSession } from './data-session.ts'
import type { Lanes } from './lanes.ts'
import type { LinkLimits } from './limits.ts'
import { type Answer, OpeningChannel, type ProofOf } from './opening-channel.ts'
import { PastOpenings } from './past-openings.ts'
import type { Reports } from './reports.ts'
import type { ResumeRequests } from './resume-requests.ts'
import type { Telling } from './telling.ts'

const ATTACH_TIMEOUT_MS = 5_000
/** Requests of the core that may come before the first is heard. */
const CONTROL_GRANTED = 32
/** How often it is looked at, ms. */
const WATCH_EVERY_MS = 250
/** Batches on their way and nothing accepted for so long: the broker is frozen, or the way to it is gone, ms. */
const STALLED_AFTER_MS = 15_000
/** How long the core may take to answer an opening, ms. */
const REPLY_TIMEOUT_MS = 10_000
/** Between openings that nobody answers, ms. */
const ASK_AGAIN_AFTER = { firstMs: 1_000, maxMs: 60_000 }

export interface ForwardingDeps {
  readonly gateway: string
  readonly buffer: EdgeBuffer
  readonly lanes: Lanes
  readonly resumes: ResumeRequests
  readonly telling: Telling
  readonly clock: Clock
  readonly random: () => number
  readonly log: Logger
  readonly budget?: Budget | undefined
  readonly proofOf?: ProofOf | undefined
  readonly reports?: Reports | undefined
  /** It looked after what goes on: every few seconds at the latest, whatever it found. */
  readonly onTurn: () => void
  /** The broker took something over. */
  readonly onProgress: () => void
  readonly limits: LinkLimits
  readonly takeIn: (reply: Exclude<OpenReply, { error: unknown }>, resume: readonly string[]) => Promise<void>
  readonly refused: (error: { code: string; message: string; advice: string }) => void
}

/** The links of a gateway to its broker. */
interface Links {
  readonly data: Sender
  readonly again: Sender
  readonly control: Receiver
  readonly openings: OpeningChannel
}

/**
 * One connection to a broker that stores and forwards. A gateway that was opened before sends with what it knows; the core is asked meanwhile, whenever
 * it can be reached, and for sources that it never named nothing is sent before it answers.
 *
 *   ATTACHING ──all links──► FORWARDING ──connection or a link lost, nothing accepted──► OVER
 *                               ├── ASKING ──answered──► asked; again for new sources and for `source resume`
 *                               └── what the core misses is sent again
 */
export class Forwarding {
  readonly #deps: ForwardingDeps
  readonly #connection: Connection
  readonly #session: number
  readonly #over = Promise.withResolvers<string>()
  readonly #ended = new AbortController()
  readonly #askBackoff: Backoff
  readonly #past = new PastOpenings()
  #data: DataSession | undefined
  #acceptedAtMs: number
  #wake = Promise.withResolvers<void>()

  constructor(deps: ForwardingDeps, connection: Connection, session: number) {
    this.#deps = deps
    this.#connection = connection
    this.#session = session
    this.#askBackoff = new Backoff(ASK_AGAIN_AFTER, deps.random)
    this.#acceptedAtMs = deps.clock.monotonicMs()
  }

  over(why: string): void {
    this.#over.resolve(why)
  }

  /** There is something to be asked of the core. */
  ask(): void {
    this.#wake.resolve()
  }

  /** Attaches, forwards, and resolves with the reason why it is over. Rejects where a link is refused. {@link end} has to follow. */
  async run(onForwarding: () => void): Promise<string> {
    const { buffer, lanes, clock } = this.#deps
    const links = await this.#attach()
    const data = this.#newData(links.data)
    this.#data = data
    for (const link of [links.data, links.again, links.control])
      void link.closed.then(error => this.over(error ? `${error.condition} ${error.description}` : 'a link was closed'))
    onForwarding()
    this.#acceptedAtMs = clock.monotonicMs()
    for (const lane of lanes) lane.openAsKnown()
    buffer.attachLink(source => {
      const lane = lanes.get(source)
      if (lane) data.wake(lane)
    })
    data.wakeAll(lanes)
    this.#watchLater()
    void this.#askWhenNeeded(links.openings, data).catch(cause => this.over(messageOf(cause)))
    return this.#over.promise
  }

  drain(): Promise<void> {
    return this.#data?.drain() ?? Promise.resolve()
  }

  /** Is deaf from here on; what was in flight is taken back. */
  end(): void {
    this.#ended.abort()
    this.#deps.reports?.end()
    this.#wake.resolve()
    this.#data?.end()
    this.#deps.buffer.detachLink()
    this.#deps.lanes.close()
  }

  async #attach(): Promise<Links> {
    const { gateway, lanes, clock, log, limits } = this.#deps
    const common = { capabilities: QUEUE_CAPABILITIES, timeoutMs: ATTACH_TIMEOUT_MS }
    const target = { address: QUEUE.open, capabilities: QUEUE_CAPABILITIES, proofOf: this.#deps.proofOf, limits }
    const openings = await OpeningChannel.attach(this.#connection, clock, log, ATTACH_TIMEOUT_MS, target)
    const again = await this.#connection.openSender({ address: QUEUE.again(gateway), ...common })
    const answers = new AskedAgain({ gateway, session: this.#session, lanes, sender: again, log })
    const heard: { receiver?: Receiver } = {}
    const onDelivery = (delivery: Delivery) => {
      delivery.accept()
      heard.receiver?.grant(1)
      this.#heard(delivery, answers)
    }
    const control = await this.#connection.openReceiver({ address: QUEUE.control(gateway), ...common, onDelivery })
    heard.receiver = control
    const data = await this.#connection.openSender({ address: QUEUE.data(gateway), ...common })
    control.grant(CONTROL_GRANTED)
    return { data, again, control, openings }
  }

  #newData(sender: Sender): DataSession {
    const { gateway, clock, budget, onProgress, limits } = this.#deps
    return new DataSession({
      gateway,
      session: this.#session,
      sender,
      clock,
      budget,
      limits,
      rejected: 'comes back',
      onProgress: () => {
        this.#acceptedAtMs = clock.monotonicMs()
        onProgress()
      },
      onFailure: cause => this.over(messageOf(cause)),
    })
  }

  #heard(delivery: Delivery, answers: AskedAgain): void {
    try {
      const read = controlSchema.safeParse(JSON.parse(delivery.message.body.toString('utf8')))
      if (read.success) void answers.hear(read.data)
      else this.#deps.log.warn({}, 'what the core asks cannot be read')
    } catch (cause) {
      this.#deps.log.warn({ reason: messageOf(cause) }, 'what the core asks cannot be read')
    }
  }

  #watchLater(): void {
    this.#deps.clock.after(WATCH_EVERY_MS, () => this.#watch(), 'background')
  }

  #watch(): void {
    if (this.#ended.signal.aborted) return
    this.#deps.onTurn()
    const { lanes, telling, clock, budget } = this.#deps
    lanes.refresh()
    if (budget) this.#lookAtBudget(budget)
    let isUnsure = false
    for (const lane of lanes) {
      const isClosed = lane.watch(budget !== undefined) && lane.state === 'closed'
      if (isClosed || telling.isDue(lane)) isUnsure = true
    }
    if (isUnsure) this.ask()
    const nowMs = clock.monotonicMs()
    if ((this.#data?.batchesInFlight ?? 0) === 0) this.#acceptedAtMs = nowMs
    if (nowMs - this.#acceptedAtMs >= STALLED_AFTER_MS) this.over(`nothing was accepted for ${STALLED_AFTER_MS} ms`)
    this.#watchLater()
  }

  #lookAtBudget(budget: Budget): void {
    this.#data?.look()
    const isPending = [...this.#deps.lanes].some(lane => lane.priority >= budget.floor && lane.pending)
    const isBusy = isPending || this.#data?.batchesInFlight !== 0
    if (budget.isOver(isBusy)) this.over('the budget allows nothing more now')
  }

  /** Asks at once, until somebody answers, and then whenever there is a reason. */
  async #askWhenNeeded(channel: OpeningChannel, data: DataSession): Promise<void> {
    const { lanes, resumes } = this.#deps
    while (!this.#ended.signal.aborted) {
      this.#wake = Promise.withResolvers<void>()
      const asked = await this.#ask(channel)
      if (this.#ended.signal.aborted) return
      data.wakeAll(lanes)
      if (asked === 'answered') {
        this.#askBackoff.reset()
        if (resumes.open().length === 0) await this.#wake.promise
      } else if (asked === 'later') {
        await pause(this.#deps.clock, this.#askBackoff.nextMs(), this.#ended.signal).catch(() => {})
      }
    }
  }

  async #ask(channel: OpeningChannel): Promise<'answered' | 'later' | 'at once'> {
    const { gateway, buffer, telling, resumes } = this.#deps
    const session = await buffer.nextSession(this.#past.newestSession)
    const resume = resumes.open()
    const sources = telling.all(resume)
    const request: OpenRequest = { version: PROTOCOL_VERSION, gateway, instance: buffer.instance, session, sources, resume }
    const answer: Answer = await channel.ask(request, REPLY_TIMEOUT_MS)
    if (this.#ended.signal.aborted || answer.kind !== 'reply') return 'later'
    const { reply } = answer
    if (!('error' in reply)) {
      this.#past.taken()
      await this.#deps.takeIn(reply, resume)
      this.#deps.reports?.begin(channel, session)
      return 'answered'
    }
    if (reply.error.code !== OPEN_ERROR.sessionNotNew) {
      this.#deps.refused(reply.error)
      return 'later'
    }
    return this.#past.notNew(reply.session) === 'at once' ? 'at once' : 'later'
  }
}
