// The numbers that the hub sends each second.

/** The least time for a rate, in seconds. */
const LEAST = 0.5;

/** What happened between two statuses, per second: `{ hub, topics }`, the topics by name. Nothing if that is too short. */
export function ratesBetween(before, now) {
  const seconds = now.uptime - before.uptime;
  if (seconds < LEAST) return undefined;
  const rates = (to, from) => ({
    published: Math.max(0, to.published - from.published) / seconds,
    delivered: Math.max(0, to.delivered - from.delivered) / seconds,
  });
  const old = new Map(before.topics.map((topic) => [topic.name, topic]));
  const wasWhole = before.topics.length === before.topics_total;
  const none = { published: 0, delivered: 0 };
  const topics = now.topics.map((topic) => {
    // A new topic has begun at zero, unless the last status may have left it out.
    const from = old.get(topic.name) ?? (wasWhole ? none : topic);
    return [topic.name, rates(topic, from).published];
  });
  return { hub: rates(now.total, before.total), topics: new Map(topics) };
}

/** Asks for the status with the topics whose names contain this text: a hub with many topics lists only a part. */
export async function statusOf(search, headers) {
  const url = new URL(`status?${new URLSearchParams({ search })}`, document.baseURI);
  const response = await fetch(url, { headers: { accept: "application/json", ...headers }, cache: "no-store" });
  return response.ok ? response.json() : undefined;
}
