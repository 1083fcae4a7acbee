import type { MqttClient } from 'mqtt'

interface Packet {
  readonly cmd: string
}
type Send = (packet: Packet, sent?: (error?: Error) => void, ...more: unknown[]) => void

/**
 * Holds back each acknowledgement until `stored` resolves. mqtt.js 5.16.0 handles one message at a time, up to its acknowledgement: to wait for the disk
 * there would let through twenty messages a second. So the library goes on at once, and what it sends is caught here, in its `_sendPacket`.
 * test/live/mqtt.test.ts sees an acknowledgement that comes too early, and a broker's window that never opens.
 */
export function acknowledgeWhenStored(client: MqttClient, stored: () => Promise<void>): void {
  const internals = client as unknown as { _sendPacket: Send }
  const send = internals._sendPacket.bind(client)
  internals._sendPacket = (packet, sent, ...more) => {
    if (packet.cmd !== 'puback') {
      send(packet, sent, ...more)
      return
    }
    sent?.()
    const { stream } = client
    // The connection may be gone by then: the broker sends the message again, and it is acknowledged then. On the connection after it the number may be
    // that of another message, which is not stored.
    void stored().then(() => {
      if (client.connected && client.stream === stream) send(packet)
    })
  }
}
