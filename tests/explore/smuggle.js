// What a text that got into the page as markup could try; `address` is a server that listens.
(address) => {
  const attempts = [
    () => {
      const script = document.createElement("script");
      script.textContent = "window.smuggled = true";
      document.body.append(script);
    },
    () => document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.smuggled = true'>"),
    () => {
      const style = document.createElement("style");
      style.textContent = "h1 { color: rgb(1, 2, 3) }";
      document.head.append(style);
    },
    () => {
      const image = document.createElement("img");
      image.src = `${address}/picture.png`;
      document.body.append(image);
    },
    () => fetch(`${address}/data`).catch(() => {}),
  ];
  for (const attempt of attempts) {
    try {
      attempt();
    } catch {
      // Refused at once, as it should be.
    }
  }
};
