import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { Optimiser } from '../../src/runtime/optimiser.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'

function world() {
  const clock = new SimulatedClock()
  const flags: string[] = []
  let usedMs = 0
  const optimiser = new Optimiser({ clock, usedMs: () => usedMs, setFlags: flag => flags.push(flag) })
  const pass = async (ms: number, share: number) => {
    for (let done = 0; done < ms; done += 100) {
      usedMs += 100 * share
      await clock.pass(100)
    }
  }
  return { optimiser, flags, pass }
}

test('the optimising compiler stays away from a process with little to do, for however long', async () => {
  const { optimiser, flags, pass } = world()
  optimiser.keepAway()
  await pass(600_000, 0.03)
  expect(flags).toEqual(['--no-turbofan'])
})

test('it comes once there is work, and is not sent away again', async () => {
  const { optimiser, flags, pass } = world()
  optimiser.keepAway()
  await pass(10_000, 0.01)
  await pass(4_000, 0.5)
  expect(flags).toEqual(['--no-turbofan', '--turbofan'])
  await pass(60_000, 0)
  expect(flags).toHaveLength(2)
})

test('a look after the process has stopped changes nothing', async () => {
  const { optimiser, flags, pass } = world()
  optimiser.keepAway()
  optimiser.stop()
  await pass(10_000, 1)
  expect(flags).toEqual(['--no-turbofan'])
})

/** Calls one function a million times, kept away from or not, and gives what V8 says that it compiled. */
function compiledBy(keepAway: string): string {
  const code = `
    const { setFlagsFromString } = await import('node:v8')
    const { Optimiser } = await import(${JSON.stringify(new URL('../../src/runtime/optimiser.ts', import.meta.url).href)})
    const after = (ms, call) => { look = call; return { cancel() {} } }
    let look, used = 0, now = 0
    const clock = { monotonicMs: () => now, wallMs: () => now, after }
    new Optimiser({ clock, usedMs: () => used, setFlags: setFlagsFromString }).keepAway()
    const busy = () => { now += 1000; used += 1000; look() }
    ${keepAway}
    function hot(a) { return a + 1 }
    let sum = 0
    for (let i = 0; i < 1_000_000; i++) sum = hot(sum)
    console.log('called', sum)`
  // In turn, not beside: what is compiled must not depend on which of two threads is sooner.
  const flags = ['--trace-opt', '--no-concurrent-recompilation', '--no-use-osr']
  const { stdout } = spawnSync(process.execPath, [...flags, '--input-type=module', '-e', code], { encoding: 'utf8' })
  expect(stdout).toContain('called 1000000')
  return stdout
}

test('V8 does as it is told while it runs', () => {
  expect(compiledBy('')).not.toMatch(/TURBOFAN/)
  expect(compiledBy('busy()')).toMatch(/hot.*TURBOFAN/)
})
