import type { MqttClient } from 'mqtt'
import { expect, test } from 'vitest'
import { acknowledgeWhenStored } from '../../src/source/mqtt-acknowledgements.ts'

interface Puback {
  readonly cmd: 'puback'
  readonly messageId: number
}

/** What the library is to the acknowledgements: it sends packets, over one connection after another. */
class Library {
  readonly sent: Puback[] = []
  connected = true
  stream: object = {}
  _sendPacket = (packet: Puback): void => void this.sent.push(packet)

  reconnect(): void {
    this.stream = {}
  }
}

test('a message that came over a connection before is not acknowledged on the next one: its number is that of another message there', async () => {
  const library = new Library()
  const waiting: (() => void)[] = []
  acknowledgeWhenStored(library as unknown as MqttClient, () => new Promise(resolve => waiting.push(resolve)))
  const messageComes = (messageId: number) => library._sendPacket({ cmd: 'puback', messageId })
  const storeAll = async () => {
    for (const stored of waiting.splice(0)) stored()
    await Promise.resolve()
  }
  messageComes(1)
  library.reconnect()
  await storeAll()
  expect(library.sent).toEqual([])
  messageComes(1)
  await storeAll()
  expect(library.sent).toEqual([{ cmd: 'puback', messageId: 1 }])
})
