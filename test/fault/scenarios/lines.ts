import { until } from '../../support/until.ts'
import { type Harm, HurtfulProxy } from '../faults/hurtful-proxy.ts'
import { defineScenario } from '../scenario.ts'

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
