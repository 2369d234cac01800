// The engine in a Web Worker: the page's own program, which it hands over compiled with the first message.
addEventListener("message", async ({ data }) => {
  try {
    const { default: init } = await import(data.program);
    await init({ module_or_path: data.module });
  } catch (error) {
    // A text is a worker's last word.
    postMessage(String(error));
  }
}, { once: true });
