import { freePort } from '../../../hardware/simulators/free-port.ts'
import type { Cable } from '../faults/cable.ts'
import { NetworkNamespace } from '../faults/network-namespace.ts'
import { defineScenario, type Stage } from '../scenario.ts'

/** A scenario in which the gateway's agent, or the core, lives in a network namespace of its own. */
function apart() {
  const namespaces: NetworkNamespace[] = []
  const namespace = () => {
    const made = new NetworkNamespace(process.pid + namespaces.length)
    namespaces.push(made)
    return made
  }
  return {
    first: () => {
      const [first] = namespaces
      if (!first) throw new Error('there is no namespace yet')
      return first
    },
    namespace,
    plant: async () => {
      const { gateway, prefix } = namespace()
      return { coreHost: gateway, edge: { prefix } }
    },
    cleanUp: () => {
      for (const namespace of namespaces.splice(0)) namespace.remove()
    },
  }
}

const pulled = apart()
export const cablePulled = defineScenario({
  id: 'cable-pulled',
  title: 'the cable between gateway and core is pulled: for longer than every time-out, one way only, and each second',
  seconds: 70,
  fullOnly: true,
  needsRoot: true,
  plant: pulled.plant,
  cleanUp: pulled.cleanUp,
  strike: stage => hurtCable(pulled.first().cable, stage),
})

/** What is done to one cable: pulled for longer than every time-out, half open, and pulled each second. */
async function hurtCable(cable: Cable, { step, moves, lasts }: Stage): Promise<void> {
  await moves()
  await step('it is pulled', () => cable.pull())
  await lasts(20_000)
  await step('it is plugged in', () => cable.plugIn())
  await moves()
  await step('what is sent from behind it is lost', () => cable.swallow())
  await lasts(15_000)
  await step('it arrives again', () => cable.swallowNoMore())
  await moves()
  for (let flap = 1; flap <= 10; flap++) {
    await step(`it is pulled, and plugged in, ${flap}`, () => cable.pull())
    await lasts(500)
    cable.plugIn()
    await lasts(500)
  }
  await moves()
}

/** A scenario in which the core has a cable of its own, and Kafka listens at the core's end of it as well. */
function coreApart() {
  const { namespace, first, cleanUp } = apart()
  let kafkaPort = 0
  return {
    namespace,
    first,
    cleanUp,
    cluster: async () => {
      kafkaPort = await freePort()
      return {
        listeners: [`CABLE://${namespace().gateway}:${kafkaPort}`],
        settings: { 'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,CABLE:PLAINTEXT' },
      }
    },
    plant: async () => {
      const { address, gateway, prefix } = first()
      return { coreHost: address, brokers: [`${gateway}:${kafkaPort}`], core: { prefix } }
    },
  }
}

const behindCable = coreApart()
export const coreCablePulled = defineScenario({
  id: 'core-cable-pulled',
  title: 'the cable of the core is pulled: between it and gateway and Kafka both, one way only, and each second',
  seconds: 80,
  fullOnly: true,
  needsRoot: true,
  cluster: behindCable.cluster,
  plant: behindCable.plant,
  cleanUp: behindCable.cleanUp,
  strike: stage => hurtCable(behindCable.first().cable, stage),
})

const narrow = apart()
export const narrowLine = defineScenario({
  id: 'narrow-line',
  title: 'a line of 10 kbit/s: what is read goes into the buffer, and arrives when the line is wide again',
  seconds: 45,
  fullOnly: true,
  needsRoot: true,
  plant: narrow.plant,
  cleanUp: narrow.cleanUp,
  async strike({ step, moves, lasts }) {
    const { cable } = narrow.first()
    await moves()
    await step('it is narrow', () => cable.narrow(10))
    await lasts(25_000)
    await step('it is wide', () => cable.widen())
    await moves()
  },
})

/** A scenario in which both have a network of their own, with a cable from one to the other, and one from the core to Kafka. */
function bothApart() {
  const { namespace, first, cluster, plant, cleanUp } = coreApart()
  const between: Cable[] = []
  return {
    cluster,
    cables: () => {
      const [toGateway] = between
      if (!toGateway) throw new Error('there is no cable yet')
      return { toGateway, toKafka: first().cable }
    },
    plant: async () => {
      const core = await plant()
      const gateway = namespace()
      const cable = first().layTo(gateway)
      between.push(cable)
      return { ...core, coreHost: cable.near.address, edge: { prefix: gateway.prefix } }
    },
    cleanUp: () => {
      between.splice(0)
      cleanUp()
    },
  }
}

const both = bothApart()
export const bothBehindCables = defineScenario({
  id: 'both-behind-cables',
  title: 'gateway and core each on a network of its own: their cable, that of the core to Kafka, and both at once are hurt',
  seconds: 150,
  fullOnly: true,
  needsRoot: true,
  cluster: both.cluster,
  plant: both.plant,
  cleanUp: both.cleanUp,
  async strike(stage) {
    const { step, moves, lasts } = stage
    const { toGateway, toKafka } = both.cables()
    await hurtCable(toGateway, stage)
    await step('both cables are pulled', () => {
      toGateway.pull()
      toKafka.pull()
    })
    await lasts(12_000)
    await step('that of the gateway is plugged in, that of Kafka is not', () => toGateway.plugIn())
    await lasts(8_000)
    await step('that of Kafka is plugged in', () => toKafka.plugIn())
    await moves()
    await step('the line of the gateway has 10 kbit/s, and what the core sends to Kafka is lost', () => {
      toGateway.narrow(10)
      toKafka.swallow()
    })
    await lasts(15_000)
    await step('what it sends arrives again', () => toKafka.swallowNoMore())
    await lasts(5_000)
    await step('the line is wide again', () => toGateway.widen())
    await moves()
  },
})
