import { freePort } from '../../../hardware/simulators/free-port.ts'
import { until } from '../../support/until.ts'
import { type Harm, HurtfulProxy } from '../faults/hurtful-proxy.ts'
import { NetworkNamespace } from '../faults/network-namespace.ts'
import { defineScenario, type Stage } from '../scenario.ts'

/** A scenario in which gateway and core meet through a proxy. */
function proxied() {
  const proxies: HurtfulProxy[] = []
  return {
    proxy: () => {
      const [only] = proxies
      if (!only) throw new Error('there is no proxy yet')
      return only
    },
    plant: {
      uplinks: async (corePorts: readonly number[]) => {
        proxies.push(await HurtfulProxy.open(corePorts[0] ?? 0))
        return proxies.map(({ port }) => `127.0.0.1:${port}`)
      },
    },
    cleanUp: async () => {
      for (const proxy of proxies.splice(0)) await proxy.close()
    },
  }
}

const cut = proxied()
export const cutInFrames = defineScenario({
  id: 'cut-in-frames',
  title: 'connections end in the middle of frames, wherever that is',
  seconds: 35,
  plant: cut.plant,
  cleanUp: cut.cleanUp,
  async strike({ random, step, moves }) {
    const proxy = cut.proxy()
    for (let round = 1; round <= 3; round++) {
      const before = proxy.cuts
      await step('connections are cut after some thousand bytes', async () => {
        proxy.harm = { kind: 'cut', afterBytes: random.between(500, 12_000) }
        proxy.cutAll()
        await until('some were', () => proxy.cuts >= before + 3, 90_000)
        proxy.harm = { kind: 'none' }
      })
      await moves()
    }
  },
})

const slow = proxied()
export const badLines = defineScenario({
  id: 'bad-lines',
  title: 'single bytes, delay, loss, and a line that says nothing any more',
  seconds: 60,
  fullOnly: true,
  plant: slow.plant,
  cleanUp: slow.cleanUp,
  async strike({ step, moves, lasts }) {
    const proxy = slow.proxy()
    const harms: Harm[] = [
      { kind: 'bytewise', perMs: 64 },
      { kind: 'delay', byMs: 300 },
      { kind: 'loss', everyNth: 7, repeatedAfterMs: 1_200 },
    ]
    for (const harm of harms) {
      await step(`the line is so: ${JSON.stringify(harm)}`, () => {
        proxy.harm = harm
      })
      await moves()
    }
    await step('the line says nothing any more', () => {
      proxy.harm = { kind: 'silence' }
    })
    await lasts(12_000)
    await step('the line is good again', () => {
      proxy.harm = { kind: 'none' }
      proxy.cutAll()
    })
    await moves()
  },
})

const NAMESPACES_MAX = 16_384

/** A scenario in which the gateway's agent, or the core, lives in a network namespace of its own. */
function apart() {
  const namespaces: NetworkNamespace[] = []
  const namespace = () => {
    const made = new NetworkNamespace(process.pid % NAMESPACES_MAX)
    namespaces.push(made)
    return made
  }
  return {
    cable: () => {
      const [only] = namespaces
      if (!only) throw new Error('there is no namespace yet')
      return only
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
  strike: stage => hurtCable(pulled.cable(), stage),
})

/** What is done to one cable: pulled for longer than every time-out, half open, and pulled each second. */
async function hurtCable(cable: NetworkNamespace, { step, moves, lasts }: Stage): Promise<void> {
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
  const { namespace, cable, cleanUp } = apart()
  let kafkaPort = 0
  return {
    cable,
    cleanUp,
    cluster: async () => {
      kafkaPort = await freePort()
      return {
        listeners: [`CABLE://${namespace().gateway}:${kafkaPort}`],
        settings: { 'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,CABLE:PLAINTEXT' },
      }
    },
    plant: async () => {
      const { address, gateway, prefix } = cable()
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
  strike: stage => hurtCable(behindCable.cable(), stage),
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
    const cable = narrow.cable()
    await moves()
    await step('it is narrow', () => cable.narrow(10))
    await lasts(25_000)
    await step('it is wide', () => cable.widen())
    await moves()
  },
})
