import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { core, gateway, message } from './ends.ts'

/** More than rhea's session has places for. */
const MORE_THAN_A_SESSION = 5_000

test('a delivery whose outcome takes long keeps nobody else waiting, however many pass it', async () => {
  const end = await core()
  end.onDelivery = delivery => {
    if (end.deliveries.length > 1) delivery.accept()
    end.receivers[0]?.grant(1)
  }
  const sender = await (await gateway(end.url)).openSender({ address: 'in', timeoutMs: 2_000 })
  await until('credit', () => sender.room > 0)
  const settled = new Set<number>()
  let sent = 0
  const pump = () => {
    while (sent < MORE_THAN_A_SESSION && sender.room > 0) {
      const number = sent++
      sender.send(message(number), () => settled.add(number))
    }
  }
  sender.onRoom(pump)
  pump()
  await until('all but the first', () => settled.size === MORE_THAN_A_SESSION - 1)
  expect(settled.has(0)).toBe(false)
  end.deliveries[0]?.accept()
  await until('the first', () => settled.has(0))
})

test('nor does what was settled behind it stay in memory', async () => {
  const end = await core()
  end.onDelivery = delivery => {
    if (end.deliveries.length > 1) delivery.accept()
  }
  const sender = await (await gateway(end.url)).openSender({ address: 'in', timeoutMs: 2_000 })
  await until('credit', () => sender.room > 0)
  const bodies: WeakRef<Buffer>[] = []
  let settled = 0
  const send = (number: number) => {
    const body = Buffer.alloc(100_000)
    if (number > 0) bodies.push(new WeakRef(body))
    sender.send({ ...message(number), body }, () => settled++)
  }
  for (let number = 0; number < 20; number++) send(number)
  await until('all but the first', () => settled === 19)
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  await until('they are gone', () => {
    collect()
    // The latest may still be on somebody's stack.
    return bodies.filter(body => body.deref()).length <= 2
  })
})
