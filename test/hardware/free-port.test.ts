import { execFile } from 'node:child_process'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { freePort } from '../../hardware/simulators/free-port.ts'

const MODULE = fileURLToPath(new URL('../../hardware/simulators/free-port.ts', import.meta.url))
/** Another process in which the dice fall as they are told: on the first number, then on the second. */
const LOADED = `
  const throws = process.argv.slice(1).map(port => (Number(port) - 20_000 + 0.5) / 12_000)
  Math.random = () => throws.shift()
  const { freePort } = await import(${JSON.stringify(MODULE)})
  console.log(await freePort())`

test('a port that was given, and is not listened on yet, is given to no other process', async () => {
  const [first, second] = [await freePort(), await freeOfNobody()]
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', LOADED, `${first}`, `${second}`])
  expect(stdout.trim()).toBe(`${second}`)
})

test('whoever was given it can listen on it', async () => {
  const port = await freePort()
  const server = createServer()
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve))
  expect(server.address()).toMatchObject({ port })
  await new Promise(resolve => server.close(resolve))
})

/** A port that only now was another process's: given to it, and let go when it ended. */
async function freeOfNobody(): Promise<number> {
  const ask = `console.log(await (await import(${JSON.stringify(MODULE)})).freePort())`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', ask])
  return Number(stdout)
}
