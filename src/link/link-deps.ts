import type { Connection } from '../amqp/amqp.ts'
import type { EdgeBuffer } from '../buffer/buffer.ts'
import type { Alarms } from '../runtime/alarms.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Logger } from '../runtime/logger.ts'
import type { Budget } from './budget.ts'
import type { InFlight } from './flight.ts'
import type { LinkLimits } from './limits.ts'
import type { ProofOf } from './opening-channel.ts'
import type { ShownAs } from './refusals.ts'
import type { Reports } from './reports.ts'
import type { SourceFacts } from './telling.ts'

export interface LinkDeps {
  readonly gateway: string
  readonly buffer: EdgeBuffer
  /** What is at the other end: the core, directly (unless said otherwise) or through routers, or a broker that stores and forwards. */
  readonly mode?: 'direct' | 'router' | 'broker'
  /** One open connection to the core; `attempt` counts from 0, so that several addresses can be tried in turn. Has a limit of its own. */
  readonly connect: (attempt: number) => Promise<Connection>
  /** Proves, past routers and brokers, that an opening is this gateway's. */
  readonly proofOf?: ProofOf | undefined
  /** As whom it came last. */
  readonly shownAs?: () => ShownAs
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  readonly log: Logger
  readonly alarms: Alarms
  /** What the core is told of sources beside their records; nothing, unless given. */
  readonly facts?: SourceFacts
  /** For a link that costs money. */
  readonly budget?: Budget
  /** What tells the core how the gateway stands. */
  readonly reports?: Reports
  /** What is in flight of one source; another one than {@link Flight} only where a test breaks a rule on purpose. */
  readonly newFlight?: () => InFlight
  /** {@link LINK_LIMITS}, unless set. */
  readonly limits?: LinkLimits
}
