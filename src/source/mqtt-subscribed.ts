import type { IClientSubscribeOptions, MqttClient } from 'mqtt'

/* MQTT 3.1.1, 3.9.3 and MQTT 5, 3.9.3: from here on the answer to a topic is a reason why it is not given */
const REFUSED_FROM = 0x80

/**
 * Asks for topics, and gives those that the broker refuses. Where it refuses any, mqtt.js 5.16.0 fails with the reason of the last, as if none had been given;
 * the answer itself comes along. Rejects where there was none.
 */
export async function subscribed(client: MqttClient, topics: readonly string[], how: IClientSubscribeOptions): Promise<string[]> {
  try {
    await client.subscribeAsync([...topics], how)
    return []
  } catch (error) {
    const { packet } = error as { readonly packet?: { readonly granted?: readonly unknown[] } }
    const refused = topics.filter((_topic, at) => Number(packet?.granted?.[at]) >= REFUSED_FROM)
    if (refused.length === 0) throw error
    return refused
  }
}
