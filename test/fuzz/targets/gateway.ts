import { rmSync } from 'node:fs'
import fc from 'fast-check'
import type { GatewayReport } from '../../../src/amqp/gateway-report.ts'
import { OPEN_ERROR } from '../../../src/amqp/messages.ts'
import { openEdgeBuffer } from '../../../src/buffer/open.ts'
import { identityRule } from '../../../src/ingress/identity.ts'
import { Ingress } from '../../../src/ingress/ingress.ts'
import { Link } from '../../../src/link/link.ts'
import { Reports } from '../../../src/link/reports.ts'
import { Alarms } from '../../../src/runtime/alarms.ts'
import { silentLogger } from '../../../src/runtime/logger.ts'
import { MemoryNetwork } from '../../support/memory-amqp.ts'
import { MemoryLog } from '../../support/memory-log.ts'
import { SeededRandom } from '../../support/random.ts'
import { SimulatedClock } from '../../support/simulated-clock.ts'
import { anyBytes, mutated } from '../harness/bytes.ts'
import { type CoreScript, HostileCore, type Said } from '../harness/hostile-core.ts'
import { scratchFolder } from '../harness/scratch.ts'
import { target } from '../harness/target.ts'

const GATEWAY = 'gw-1'
const SOURCES = ['source-1', 'source-2'] as const
const RECORDS = 40
const HOSTILE_MS = 40_000
/** An opening may be waited for for a minute, a refusal for half of one, and each some times over. */
const RECOVERS_WITHIN_MS = 900_000

/** Numbers at which something turns over, as they go over the wire. */
const numberText = fc.constantFrom(
  ...['0', '0', '0', '10', '20', '40', '1', '7', '-1', '-40', '2147483648', '9007199254740991', '-9007199254740991'],
)
const int = fc.constantFrom(0, 0, 0, 1, 2, -1, 32_767, 65_536, 2 ** 31, 0xffff_ffff)
const words = fc.constantFrom('', 'x', 'so it is', '\u0000', '$&')
const error = fc.record({
  code: fc.oneof(fc.constantFrom(...Object.values(OPEN_ERROR)), words),
  message: words,
  advice: words,
})
const source = fc.constantFrom(...SOURCES, ...SOURCES, 'another', '__proto__')
const opened = fc.record(
  {
    source,
    topic: fc.constantFrom('topic-1', 'topic-1', 'another'),
    topicId: fc.constantFrom('id', 'id', 'another'),
    partition: int,
    producerId: numberText,
    epoch: int,
    epochStart: numberText,
    end: numberText,
    last: fc.option(fc.record({ sequence: numberText, count: int, crc: int })),
    batchBytesMax: int,
    retired: fc.constant(true),
  },
  { requiredKeys: ['source', 'topic', 'topicId', 'partition', 'producerId', 'epoch', 'epochStart', 'end', 'last'] },
)
const fields: fc.Arbitrary<Record<string, unknown>> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record(
      {
        version: fc.constant(1),
        log: fc.constantFrom('log', 'log', 'another'),
        sources: fc.array(fc.oneof({ weight: 4, arbitrary: opened }, fc.record({ source, error })), { maxLength: 4 }),
        quota: fc.record({ silenceMs: int, bytesPerSecond: int }),
      },
      { requiredKeys: ['version', 'log', 'sources'] },
    ),
  },
  fc.record({ version: fc.constant(1), error }),
  fc.record({ version: fc.constantFrom(1, 2), error, session: numberText }),
)
const VALID = {
  version: 1,
  session: '1',
  log: 'log',
  sources: SOURCES.map(each => ({
    ...{ source: each, topic: 'topic-1', topicId: 'id', partition: 0, producerId: '1', epoch: 0 },
    ...{ epochStart: '0', end: '0', last: null },
  })),
}
const { session: _session, ...VALID_WITHOUT_SESSION } = VALID
const COMMANDS = [
  { version: 1, ask: 'again', source: SOURCES[0], epoch: 0, from: '0', to: '9' },
  { version: 1, ask: 'freeze', source: SOURCES[0], epoch: 0, error: { code: 'a', message: 'b', advice: 'c' } },
]
const inBytes = (valid: readonly object[]): fc.Arbitrary<Said> =>
  fc.oneof(mutated(valid.map(each => Buffer.from(JSON.stringify(each)))), anyBytes(60)).map(bytes => ({ bytes }))
const command: fc.Arbitrary<Said> = fc.oneof(
  inBytes(COMMANDS),
  fc
    .record({
      version: fc.constant(1),
      ask: fc.constantFrom('again', 'freeze'),
      source,
      epoch: int,
      from: numberText,
      to: numberText,
      error,
    })
    .map(each => ({ fields: each })),
)
const script: fc.Arbitrary<CoreScript> = fc.record({
  replies: fc.array(
    fc.oneof(
      { weight: 5, arbitrary: fields.map((each): Said => ({ fields: each })) },
      { weight: 2, arbitrary: fc.constant<Said>({ fields: VALID_WITHOUT_SESSION }) },
      inBytes([VALID]),
    ),
    { minLength: 1, maxLength: 4 },
  ),
  outcomes: fc.array(
    fc.constantFrom('accept' as const, 'release' as const, 'modify' as const, 'reject' as const, 'never' as const),
    {
      minLength: 1,
      maxLength: 6,
    },
  ),
  commands: fc.array(command, { maxLength: 3 }),
})

/** A gateway over its real buffer, in a network and a time of its own. */
class Gateway {
  readonly clock = new SimulatedClock()
  readonly random = new SeededRandom(1)
  readonly network = new MemoryNetwork(this.clock, () => this.random.next())
  readonly alarms = new Alarms(this.clock)
  readonly #dir = scratchFolder()

  async run(mode: 'direct' | 'broker', core: HostileCore): Promise<void> {
    await this.network.listen(core.handlers)
    const { clock, alarms } = this
    const common = { gateway: GATEWAY, clock, log: silentLogger, alarms, random: () => this.random.next() }
    const buffer = await openEdgeBuffer({
      ...common,
      stateDir: this.#dir,
      quotaBytes: 2 ** 22,
      rewindBytes: 2 ** 16,
      sources: SOURCES.map(
        each => ({ source: each, topic: 'topic-1', whenFull: 'block', priority: 0, durabilityMs: 0 }) as const,
      ),
      worker: 'inline',
    })
    for (const each of SOURCES)
      for (let at = 0; at < RECORDS; at++) {
        const value = Buffer.from(`${each}#${at}`)
        buffer.inlet(each).append(clock.wallMs(), value, 0, value.length)
      }
    const reports = new Reports({ gateway: GATEWAY, instance: buffer.instance, clock, report: () => this.#report() })
    const link = new Link({ ...common, buffer, mode, reports, connect: () => this.network.dial() })
    link.start()
    await clock.pass(HOSTILE_MS)
    check(core)
    for (const { source: name, settled, next, frozen } of buffer.outlets())
      if (!frozen && !(settled >= 0 && settled <= next)) throw new Error(`${name}: ${settled} of ${next} are settled`)
    if (mode === 'direct') await this.#recovers(link)
    await clock.during(link.stop(), HOSTILE_MS)
    await buffer.close()
    rmSync(this.#dir, { recursive: true })
  }

  #report(): GatewayReport {
    const nothing = { quota_bytes: 0, used_bytes: 0, written_bytes: 0, records: 0, bytes: 0, oldest_ms: null }
    return { time_ms: this.clock.wallMs(), ...nothing, sources: [], alarms: [] }
  }

  /** An honest core comes in its place: the gateway sends there, and each source is open, or frozen for a person to look at. */
  async #recovers(link: Link): Promise<void> {
    const { clock, network } = this
    network.vanish('core-1')
    const ingress = new Ingress({
      name: 'core-1',
      log: new MemoryLog(clock),
      listen: handlers => network.listen(handlers),
      mayWrite: identityRule('optional'),
      clock,
      random: () => this.random.next(),
      logger: silentLogger,
      alarms: new Alarms(clock),
    })
    await ingress.start()
    const isWell = () => {
      const { state, sources } = link.status()
      return state === 'sending' && sources.every(each => each.state !== 'closed')
    }
    if (!(await clock.passUntil(isWell, RECOVERS_WITHIN_MS)))
      throw new Error(`behind an honest core: ${JSON.stringify(link.status())} ${JSON.stringify(this.alarms.list())}`)
    await clock.during(ingress.stop(), HOSTILE_MS)
  }
}

/** Whatever it was told, what a gateway sends has numbers that there can be. */
function check({ batches }: HostileCore): void {
  for (const { properties } of batches) {
    const { sequence, count } = properties
    if (!Number.isSafeInteger(sequence) || Number(sequence) < 0 || !(Number(count) > 0))
      throw new Error(`it sent ${count} records from ${sequence} on`)
  }
}

export const targets = [
  target({
    name: 'link: whatever a core says, the gateway goes on, and sends to an honest one',
    input: script,
    runs: 100,
    run: input => new Gateway().run('direct', new HostileCore(input, new SeededRandom(2))),
  }),
  target({
    name: 'link: whatever a core says through a broker, the gateway goes on',
    input: script,
    runs: 100,
    run: input => new Gateway().run('broker', new HostileCore(input, new SeededRandom(2))),
  }),
]
